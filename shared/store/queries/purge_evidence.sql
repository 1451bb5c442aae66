-- What others may have come to hold of events that go. $1 sessions, $2 at most.
delete from afterthought.memory_evidence
where (memory_id, session_id, version) in (
    select memory_id, session_id, version from afterthought.memory_evidence where session_id = any($1::uuid[]) limit $2
)
