-- $1 erasure, $2 when it was made, $3 sessions.
update afterthought.erased_sessions set swept_for = $2 where erasure_id = $1 and session_id = any($3::uuid[])
