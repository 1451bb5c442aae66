-- The events of a session after a version that are not in the archive, as lines of an export, as many as fit into so many bytes
-- but at least one. What an application had done to memories stays: it is erased with the memory. So does what is longer than an
-- object may be. archive_events has the same conditions.
-- $1 session, $2 after, $3 through, $4 at most, $5 bytes, $6 the field of a payload that is this project's own, $7 bytes of one.
select version, line
from (
    select e.version, e.line, row_number() over newer as position, sum(octet_length(e.line)) over newer as bytes
    from (
        select v.version, l.line
        from afterthought.session_events v
        -- Not taken apart, so that a line is made once.
        cross join lateral (
            select (jsonb_build_object('kind', 'event') || to_jsonb(v) - '{archived_bytes,archived_digest}'::text[])::text as line
            offset 0
        ) l
        where v.session_id = $1 and v.version > $2 and v.version <= $3 and v.archived_bytes is null
          and not (v.event_type = 'observation' and v.metadata #>> array[$6::text, 'operation'] is not null)
          and octet_length(l.line) <= $7::integer
        order by v.version
        limit $4
    ) e
    window newer as (order by e.version)
) sized
where bytes <= $5 or position = 1
order by version
