-- The sessions of a user that an agent is behind on, the one that has waited longest first.
-- $1 tenant, $2 user, $3 agent, $4 how many.
select s.id as session_id, s.head_version as version
from afterthought.sessions s
left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = $3
where s.tenant = $1 and s.user_id = $2 and s.head_version > coalesce(c.through, 0)
  and not exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, $3))
order by s.last_event_at, s.id
limit $4
