-- $1 sessions, $2 at most.
delete from afterthought.event_index
where (session_id, version) in (
    select session_id, version from afterthought.event_index where session_id = any($1::uuid[]) limit $2
)
