-- Sessions whose cursor has stayed behind their head and that are not held, per agent, among those that got an event
-- lately. $1 agents, $2 not accepted after, $3 accepted after. The index on created_at is read for that span only.
-- As many as `Store::MOST_BEHIND`.
with recent as materialized (
    select e.session_id, e.tenant, max(e.version) as version
    from afterthought.session_events e
    where e.created_at > $3 and e.created_at <= $2
    group by e.session_id, e.tenant
),
behind as materialized (
    select a.agent, r.tenant, r.session_id, r.version
    from recent r
    cross join unnest($1::text[]) as a (agent)
    left join afterthought.agent_cursors c on c.session_id = r.session_id and c.agent = a.agent
    where coalesce(c.through, 0) < r.version
)
select b.agent, b.tenant, b.session_id, b.version
from behind b
join afterthought.sessions s on s.id = b.session_id
where not exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, b.agent))
limit 200000
