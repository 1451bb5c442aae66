-- The sessions of a target whose cursor is behind their head and that are not held, per agent.
-- $1 tenant, $2 user, $3 session: null for any; $4 agents.
with behind as materialized (
    select a.agent, s.tenant, s.user_id, s.id as session_id, s.head_version as version
    from afterthought.sessions s
    cross join unnest($4::text[]) as a (agent)
    left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
    where ($1::text is null or s.tenant = $1)
      and ($2::text is null or s.user_id = $2)
      and ($3::uuid is null or s.id = $3)
      and s.head_version > coalesce(c.through, 0)
)
select agent, tenant, session_id, version
from behind b
where not exists (select from afterthought.holds_on(b.tenant, b.user_id, b.session_id, b.agent))
