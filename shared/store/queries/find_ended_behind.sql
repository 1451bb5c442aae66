-- The sessions that ended holds have held back, are behind their head, and are held by no other hold, per agent.
-- $1 the ended holds, $2 agents. In three arms, so that each finds its sessions by an index.
with ended as materialized (
    select * from afterthought.holds where id = any($1)
),
reached as (
    select s.id, s.tenant, s.user_id, s.head_version, h.agent from ended h join afterthought.sessions s on s.id = h.session_id
        and (h.tenant is null or s.tenant = h.tenant) and (h.user_id is null or s.user_id = h.user_id)
    union all
    select s.id, s.tenant, s.user_id, s.head_version, h.agent from ended h join afterthought.sessions s on s.tenant = h.tenant
        and (h.user_id is null or s.user_id = h.user_id)
    where h.session_id is null
    union all
    select s.id, s.tenant, s.user_id, s.head_version, h.agent from ended h join afterthought.sessions s on h.user_id is null or s.user_id = h.user_id
    where h.session_id is null and h.tenant is null
),
behind as materialized (
    select distinct a.agent, s.tenant, s.user_id, s.id as session_id, s.head_version as version
    from reached s
    join unnest($2::text[]) as a (agent) on s.agent is null or s.agent = a.agent
    left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
    where s.head_version > coalesce(c.through, 0)
)
select agent, tenant, session_id, version
from behind b
where not exists (select from afterthought.holds_on(b.tenant, b.user_id, b.session_id, b.agent))
