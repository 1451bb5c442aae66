-- Whether nothing is on its way any more, per agent and session: the cursor is there, the session is held or gone.
-- $1 agents, $2 sessions, $3 versions: one of each per question; the answers come in their order.
select coalesce(c.through >= q.version, false) or s.id is null
       or exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, q.agent)) as caught_up
from unnest($1::text[], $2::uuid[], $3::bigint[]) with ordinality as q (agent, session_id, version, position)
left join afterthought.sessions s on s.id = q.session_id
left join afterthought.agent_cursors c on c.session_id = q.session_id and c.agent = q.agent
order by q.position
