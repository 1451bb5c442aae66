-- The sessions of an erasure. $1 erasure.
select session_id from afterthought.erased_sessions where erasure_id = $1 order by session_id
