-- Memories that go although other sessions spoke of the same are learned anew: the agent is sent back to the latest of those, to the
-- first event that it came from; and where it carried something of each along, to every one, to the last event that it carried.
-- $1 memories that go, $2 sessions that go.
with gone as materialized (
    select m.id, m.agent, m.data
    from afterthought.memories m
    where m.id = any($1::uuid[]) and m.valid_to is null and m.status = 'active'
),
carried as materialized (
    select g.id, g.agent, c.session_id, coalesce(c.version, 1) as version
    from gone g
    cross join lateral afterthought.carried_sessions(g.data) c
),
latest as (
    select distinct on (g.id) g.agent, e.session_id, e.version
    from gone g
    join afterthought.memory_evidence e on e.memory_id = g.id
    join afterthought.sessions s on s.id = e.session_id
    where e.session_id <> all($2::uuid[]) and g.id not in (select id from carried)
    order by g.id, s.last_event_at desc, s.id, e.version
),
first as (
    select l.agent, l.session_id, min(l.version) as version
    from (select agent, session_id, version from latest
          union all
          select agent, session_id, version from carried where session_id <> all($2::uuid[])) l
    group by l.agent, l.session_id
)
update afterthought.agent_cursors c
set through = first.version - 1, generation = c.generation + 1, updated_at = now()
from first
where c.session_id = first.session_id and c.agent = first.agent and c.through >= first.version
