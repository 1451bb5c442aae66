-- The sessions whose hot items may show memories: those they came from. $1 memories.
select distinct s.id, s.session
from afterthought.memory_evidence e
join afterthought.sessions s on s.id = e.session_id
where e.memory_id = any($1::uuid[])
