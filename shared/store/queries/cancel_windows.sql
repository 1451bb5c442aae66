-- Moves the cursors of a target forward without thinking, each with a run that says so.
-- $1 tenant, $2 user, $3 session: null for any; $4 agents; $5 only what was accepted before, null for everything.
--
-- Up to the event before the first one accepted at $5 or later, so that nothing of that time on is passed over:
-- versions and times of acceptance need not rise together. The cursors are locked in one order first, which also gives
-- their latest value, whatever other runs do meanwhile.
with later as materialized (
    select e.session_id, min(e.version) as version
    from afterthought.session_events e
    where $5::timestamptz is not null and e.created_at >= $5
      and ($1::text is null or e.tenant = $1)
      and ($3::uuid is null or e.session_id = $3)
    group by e.session_id
),
goals as materialized (
    select s.id, coalesce(l.version - 1, s.head_version) as through
    from afterthought.sessions s
    left join later l on l.session_id = s.id
    where ($1::text is null or s.tenant = $1)
      and ($2::text is null or s.user_id = $2)
      and ($3::uuid is null or s.id = $3)
),
locked as materialized (
    select c.session_id, c.agent, c.through as after, g.through
    from afterthought.agent_cursors c
    join goals g on g.id = c.session_id
    where c.agent = any($4) and c.through < g.through
    order by c.session_id, c.agent
    for no key update of c
),
moved as (
    update afterthought.agent_cursors c
    set through = l.through, updated_at = now()
    from locked l
    where c.session_id = l.session_id and c.agent = l.agent
    returning c.agent, c.tenant, c.session_id, l.after, l.through
),
told as (
    insert into afterthought.agent_runs
        (id, tenant, agent, session_id, after_version, through_version, outcome, model, first_sent_at, started_at)
    select gen_random_uuid(), tenant, agent, session_id, after, through, 'cancelled', '', now(), now()
    from moved
)
select agent, tenant, session_id, after, through from moved order by tenant, session_id, agent
