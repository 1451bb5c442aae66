-- The session, the agent's cursor, and the events after it, oldest first, at most $3 and 4 MiB, but at least one.
-- $1 agent, $2 session, $3 limit, $4 whether to look for what recall handed out. One row per event, or one without a version when there is none; no row when the
-- session does not exist or is another tenant's. The cursor is a scalar, so that the log is read from there on and in
-- its own order, however long the session.
with cursor as materialized (
    select coalesce(max(through), 0) as through, coalesce(max(generation), 0) as generation
    from afterthought.agent_cursors
    where session_id = $2 and agent = $1
)
select s.user_id, s.session, s.head_version, c.through, c.generation,
       e.version, e.event_type, e.role, e.speaker, e.content, e.metadata, e.archived_bytes, e.occurred_at, e.created_at,
       case when $4 then afterthought.recalled(s.tenant, s.user_id, e.role, e.content, e.created_at) end as recalled
from afterthought.sessions s
cross join cursor c
left join (
    select sized.*
    from (
        select v.*, row_number() over older as position,
               sum(coalesce(v.archived_bytes, octet_length(coalesce(v.content, '')) + octet_length(v.metadata::text))) over older as bytes
        from (
            select *
            from afterthought.session_events
            where session_id = $2 and version > (select through from cursor)
            order by version
            limit $3
        ) v
        window older as (order by v.version)
    ) sized
    where sized.bytes <= 4194304 or sized.position = 1
) e on true
where s.id = $2
order by e.version
