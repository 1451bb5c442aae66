-- $1 sessions, $2 at most.
delete from afterthought.event_passages
where (session_id, version, passage) in (
    select session_id, version, passage from afterthought.event_passages where session_id = any($1::uuid[]) limit $2
)
