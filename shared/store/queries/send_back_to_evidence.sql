-- Memories that go although other sessions spoke of the same are learned anew from the latest of those: the agent is sent
-- back there to the first event that it came from. $1 memories that go, $2 sessions that go.
with latest as (
    select distinct on (m.id) m.agent, e.session_id, e.version
    from afterthought.memories m
    join afterthought.memory_evidence e on e.memory_id = m.id
    join afterthought.sessions s on s.id = e.session_id
    where m.id = any($1::uuid[]) and e.session_id <> all($2::uuid[]) and m.valid_to is null and m.status = 'active'
    order by m.id, s.last_event_at desc, s.id, e.version
),
first as (
    select agent, session_id, min(version) as version from latest group by agent, session_id
)
update afterthought.agent_cursors c
set through = first.version - 1, generation = c.generation + 1, updated_at = now()
from first
where c.session_id = first.session_id and c.agent = first.agent and c.through >= first.version
