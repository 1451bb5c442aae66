-- A session's status and metadata.
-- $1 session id, $2 status, $3 metadata.
update afterthought.sessions set status = $2, metadata = $3 where id = $1
