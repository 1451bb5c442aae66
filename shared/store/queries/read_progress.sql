-- How far each agent is, over all tenants. What is held is behind, but does not lag. $1 agents.
with standing as (
    select a.agent, a.position, s.head_version, s.last_event_at,
           coalesce(c.through, 0) as through,
           s.head_version > coalesce(c.through, 0) as behind,
           case when s.head_version > coalesce(c.through, 0)
               then exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, a.agent)) end as held
    from unnest($1::text[]) with ordinality as a (agent, position)
    left join afterthought.sessions s on true
    left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
)
select agent,
       count(*) filter (where behind) as sessions_behind,
       count(*) filter (where held) as held,
       coalesce(sum(head_version - through), 0)::bigint as events_behind,
       coalesce(sum(head_version), 0)::bigint as events,
       extract(epoch from now() - min(last_event_at) filter (where behind and not held))::float8 as lag_seconds
from standing
group by agent, position
order by position
