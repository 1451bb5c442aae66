-- Every session whose cursor is behind its head and that is not held, per agent. Reads all sessions: for a reader that
-- has just started. $1 agents, $2 not changed after. As many as `Store::MOST_BEHIND`.
with behind as materialized (
    select a.agent, s.tenant, s.user_id, s.id as session_id, s.head_version as version
    from afterthought.sessions s
    cross join unnest($1::text[]) as a (agent)
    left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
    where s.head_version > coalesce(c.through, 0) and s.last_event_at <= $2
)
select agent, tenant, session_id, version
from behind b
where not exists (select from afterthought.holds_on(b.tenant, b.user_id, b.session_id, b.agent))
limit 200000
