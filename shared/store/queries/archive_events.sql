-- Takes out of events what is in an object, if they are exactly what is in it. list_events_to_archive has the same conditions.
-- $1 session, $2 first version, $3 last, $4 SHA-256 of their lines, joined by line breaks, $5 the field of a payload that is
-- this project's own, $6 bytes of one line.
with held as materialized (
    select v.version, l.line
    from afterthought.session_events v
    cross join lateral (
        select (jsonb_build_object('kind', 'event') || to_jsonb(v) - '{archived_bytes,archived_digest}'::text[])::text as line
        offset 0
    ) l
    where v.session_id = $1 and v.version between $2 and $3 and v.archived_bytes is null
      and not (v.event_type = 'observation' and v.metadata #>> array[$5::text, 'operation'] is not null)
      and octet_length(l.line) <= $6::integer
    order by v.version
    for update of v
),
compared as materialized (
    select coalesce(sha256(convert_to(string_agg(h.line, e'\n' order by h.version), 'UTF8')) = $4, false) as are_same
    from held h
)
update afterthought.session_events v
set content = null,
    metadata = '{}',
    archived_bytes = octet_length(coalesce(v.content, '')) + octet_length(v.metadata::text),
    archived_digest =
        case when v.idempotency_key is not null then afterthought.event_digest(v.content, v.metadata) end
from held h
where v.session_id = $1 and v.version between $2 and $3 and v.version = h.version and (select are_same from compared)
