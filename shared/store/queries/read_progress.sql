-- How far each agent is, over all tenants. $1 agents.
select a.agent,
       count(*) filter (where s.head_version > coalesce(c.through, 0)) as sessions_behind,
       coalesce(sum(s.head_version - coalesce(c.through, 0)), 0)::bigint as events_behind,
       coalesce(sum(s.head_version), 0)::bigint as events,
       extract(epoch from now() - min(s.last_event_at) filter (where s.head_version > coalesce(c.through, 0)))::float8
           as lag_seconds
from unnest($1::text[]) with ordinality as a (agent, position)
left join afterthought.sessions s on true
left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
group by a.agent, a.position
order by a.position
