-- Moves an agent's cursor from $4 to $5, only if it stands where the window began and the agent was not sent back since.
-- No row means another run was first.
-- $1 session, $2 agent, $3 tenant, $4 from, $5 to, $6 generation.
insert into afterthought.agent_cursors as c (session_id, agent, tenant, through)
select $1, $2, $3, $5
where ($4::bigint = 0 and $6::bigint = 0)
   or exists (select from afterthought.agent_cursors where session_id = $1 and agent = $2)
on conflict (session_id, agent) do update
    set through = excluded.through, updated_at = now()
    where c.through = $4 and c.generation = $6
returning through
