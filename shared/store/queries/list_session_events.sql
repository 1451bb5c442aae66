-- The events of a session after a version, in order, as many as fit into so many bytes but at least one. One row without a version
-- when there is none; no row when there is no such session.
-- $1 tenant, $2 user, $3 session, $4 after, $5 at most, $6 bytes, $7 type, null for any.
select s.id as session_id, s.head_version, e.version, e.event_type, e.role, e.speaker, e.content, e.metadata, e.archived_bytes,
       e.schema_version, e.idempotency_key, e.occurred_at, e.created_at, e.found
from afterthought.sessions s
left join lateral (
    select sized.*
    from (
        select v.*, count(*) over () as found, row_number() over newer as position,
               sum(coalesce(v.archived_bytes, octet_length(coalesce(v.content, '')) + octet_length(v.metadata::text))) over newer as bytes
        from (
            select *
            from afterthought.session_events
            where session_id = s.id and version > $4 and ($7::text is null or event_type = $7)
            order by version
            limit $5
        ) v
        window newer as (order by v.version)
    ) sized
    where sized.bytes <= $6 or sized.position = 1
) e on true
where s.tenant = $1 and s.user_id = $2 and s.session = $3
order by e.version
