-- Where what was said in events is: in an object, or, when they came back meanwhile, in the events, as a line of an export.
-- $1 sessions, $2 versions: one entry of each per event.
select v.session_id, v.version, o.id, o.first_version, o.last_version, o.checksum,
       case when v.archived_bytes is null then
           (jsonb_build_object('kind', 'event') || to_jsonb(v) - '{archived_bytes,archived_digest}'::text[])::text
       end as line
from unnest($1::uuid[], $2::bigint[]) as wanted (session_id, version)
join afterthought.session_events v on v.session_id = wanted.session_id and v.version = wanted.version
left join afterthought.archive_objects o
    on v.archived_bytes is not null and o.session_id = v.session_id and o.status = 'stored'
    and v.version between o.first_version and o.last_version
