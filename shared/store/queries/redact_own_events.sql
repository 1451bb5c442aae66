-- The events by which an application made the memories, without what they said; the snapshots that may hold it go.
-- What the guard noted in an event that an application observed does not make it one of them.
-- $1 memories, $2 the field of a payload that is this project's own.
with redacted as (
    update afterthought.session_events v
    set content = '', metadata = jsonb_build_object($2::text, jsonb_build_object('operation', 'erased'))
    from afterthought.memory_evidence e
    where e.memory_id = any($1::uuid[]) and v.session_id = e.session_id and v.version = e.version
      and v.event_type = 'observation' and v.metadata #>> array[$2::text, 'operation'] is not null
    returning v.session_id, v.version
)
delete from afterthought.snapshots s
using (select session_id, min(version) as version from redacted group by session_id) r
where s.session_id = r.session_id and s.version >= r.version
