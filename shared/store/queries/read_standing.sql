-- What else decides whether a window is thought about now, and how.
-- $1 agent, $2 session, $3 the agent that is waited for, or null.
select t.settings,
       (select through from afterthought.agent_cursors where session_id = $2 and agent = $3) as awaited,
       exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, $1)) as held
from afterthought.sessions s
join afterthought.tenants t on t.tenant = s.tenant
where s.id = $2
