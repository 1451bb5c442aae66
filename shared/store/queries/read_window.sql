-- The session, the agent's cursor, and the events after it, oldest first, at most $3.
-- $1 agent, $2 session, $3 limit. One row per event, or one without a version when there is none; no row when the
-- session does not exist or is another tenant's.
select s.user_id, s.session, s.head_version, coalesce(c.through, 0) as through,
       e.version, e.event_type, e.role, e.speaker, e.content, e.metadata, e.occurred_at, e.created_at
from afterthought.sessions s
left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = $1
left join lateral (
    select *
    from afterthought.session_events e
    where e.session_id = s.id and e.version > coalesce(c.through, 0)
    order by e.version
    limit $3
) e on true
where s.id = $2
order by e.version
