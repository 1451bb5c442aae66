-- A session by its name.
-- $1 tenant, $2 user, $3 session.
select id, session, status, head_version, archived_through, metadata, created_at, last_event_at
from afterthought.sessions
where tenant = $1 and user_id = $2 and session = $3
