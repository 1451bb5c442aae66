-- What others may have come to hold of events that go. $1 sessions.
delete from afterthought.memory_evidence where session_id = any($1::uuid[])
