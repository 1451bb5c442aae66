-- Moves the cursors of a target back, never forward, and counts the generation on, so that a run that had begun loses.
-- $1 tenant, $2 user, $3 session: null for any; $4 agents; $5 the first version to think about again, or null for
-- the first one accepted at $6 or later; $7 how many of them are told.
with since as materialized (
    select e.session_id, min(e.version) as version
    from afterthought.session_events e
    where $6::timestamptz is not null and e.created_at >= $6
      and ($1::text is null or e.tenant = $1)
      and ($3::uuid is null or e.session_id = $3)
    group by e.session_id
),
goals as materialized (
    select s.id, s.head_version, coalesce($5::bigint, f.version) - 1 as through
    from afterthought.sessions s
    left join since f on f.session_id = s.id
    where ($1::text is null or s.tenant = $1)
      and ($2::text is null or s.user_id = $2)
      and ($3::uuid is null or s.id = $3)
),
locked as materialized (
    select c.session_id, c.agent, g.through, g.head_version
    from afterthought.agent_cursors c
    join goals g on g.id = c.session_id
    where c.agent = any($4) and c.through > g.through
    order by c.session_id, c.agent
    for no key update of c
),
sent as (
    update afterthought.agent_cursors c
    set through = l.through, generation = c.generation + 1, updated_at = now()
    from locked l
    where c.session_id = l.session_id and c.agent = l.agent
    returning c.agent, c.tenant, c.session_id, l.head_version as version
)
select agent, tenant, session_id, version, count(*) over () as sessions
from sent
order by session_id, agent
limit $7
