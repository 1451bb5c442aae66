-- How far the agents are with the sessions of a user, the session with the latest event first: a row per session and agent,
-- with what came of it by the ledger. Of an agent that has not begun there is a row when it is among those given.
-- $1 tenant, $2 user, $3 the name of one session or null, $4 agents, $5 latest event and $6 id of the last session of the page
-- before or null, $7 sessions at most.
with listed as materialized (
    select s.id, s.session, s.head_version, s.last_event_at
    from afterthought.sessions s
    where s.tenant = $1 and s.user_id = $2 and ($3::text is null or s.session = $3)
        and ($5::timestamptz is null or (s.last_event_at, s.id) < ($5, $6::uuid))
    order by s.last_event_at desc, s.id desc
    limit $7
)
select l.id, l.session, l.head_version, l.last_event_at, a.agent, a.through, e.created_at as waiting_since,
       t.stored, t.merged, t.superseded, t.pending, t.dropped
from listed l
left join lateral (
    select coalesce(given.agent, c.agent) as agent, given.position, coalesce(c.through, 0) as through
    from unnest($4::text[]) with ordinality as given (agent, position)
    full join (
        select agent, through from afterthought.agent_cursors where session_id = l.id offset 0
    ) c on c.agent = given.agent
) a on true
left join afterthought.session_events e
    on e.session_id = l.id and e.version = a.through + 1 and a.through < l.head_version
left join lateral (
    select count(*) filter (where g.outcome = 'stored') as stored,
           count(*) filter (where g.outcome = 'merged') as merged,
           count(*) filter (where g.outcome = 'superseded') as superseded,
           count(*) filter (where g.outcome = 'pending') as pending,
           count(*) filter (where g.outcome = 'dropped') as dropped
    from afterthought.ledger g
    where g.session_id = l.id and g.agent = a.agent
) t on true
order by l.last_event_at desc, l.id desc, a.position nulls last, a.agent
