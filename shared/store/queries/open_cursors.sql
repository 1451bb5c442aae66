-- Gives every agent a cursor in every session of a target, so that there is a row to lock.
-- $1 tenant, $2 user, $3 session: null for any; $4 agents.
insert into afterthought.agent_cursors (session_id, agent, tenant, through)
select s.id, a.agent, s.tenant, 0
from afterthought.sessions s
cross join unnest($4::text[]) as a (agent)
where ($1::text is null or s.tenant = $1)
  and ($2::text is null or s.user_id = $2)
  and ($3::uuid is null or s.id = $3)
  and s.head_version > 0
  and not exists (select from afterthought.agent_cursors c where c.session_id = s.id and c.agent = a.agent)
order by s.id, a.agent
on conflict do nothing
