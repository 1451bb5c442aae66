-- Users with sessions that an agent is behind on and that are not held, in the order of tenants and users.
-- $1 agent, $2 tenant and $3 user to begin behind, $4 how many. Reads the sessions in that order from there on.
select s.tenant, s.user_id
from afterthought.sessions s
left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = $1
where (s.tenant, s.user_id) > ($2, $3)
  and s.head_version > coalesce(c.through, 0)
  and not exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, $1))
group by s.tenant, s.user_id
order by s.tenant, s.user_id
limit $4
