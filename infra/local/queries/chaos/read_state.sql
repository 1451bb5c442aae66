-- How far the agents are, over all tenants. $1 agents.
select (select coalesce(sum(head_version), 0)::bigint from afterthought.sessions) as events,
       (
           select coalesce(sum(s.head_version - coalesce(c.through, 0)), 0)::bigint
           from afterthought.sessions s
           cross join unnest($1::text[]) as a (agent)
           left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
       ) as behind,
       (
           select count(*) from afterthought.memories
           where embedding is null and valid_to is null and status = 'active'
       ) as not_embedded,
       (select count(*) from afterthought.holds) as holds
