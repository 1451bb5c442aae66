-- Sets a window aside: the cursor moves past it, and the run says why. No row means another run was first.
-- $1 session, $2 agent, $3 tenant, $4 from, $5 to, $6 generation; $7 run, $8 model, $9 and $10 tokens, $11 deferrals,
-- $12 first sent at, $13 started at, $14 error.
with moved as (
    insert into afterthought.agent_cursors as c (session_id, agent, tenant, through)
    select $1::uuid, $2::text, $3::text, $5::bigint
    where ($4::bigint = 0 and $6::bigint = 0)
       or exists (select from afterthought.agent_cursors where session_id = $1 and agent = $2)
    on conflict (session_id, agent) do update
        set through = excluded.through, updated_at = now()
        where c.through = $4 and c.generation = $6
    returning session_id
)
insert into afterthought.agent_runs
    (id, tenant, agent, session_id, after_version, through_version, outcome, model, input_tokens, output_tokens,
     deferrals, first_sent_at, started_at, error)
select $7, $3, $2, session_id, $4, $5, 'quarantined', $8, $9, $10, $11, $12, $13, $14
from moved
