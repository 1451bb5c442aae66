-- The versions of a session's events by their idempotency keys.
-- $1 tenant, $2 user, $3 session, $4 idempotency keys.
select s.id as session_id, s.head_version, e.idempotency_key, e.version
from afterthought.sessions s
join afterthought.session_events e on e.session_id = s.id and e.idempotency_key = any($4)
where s.tenant = $1 and s.user_id = $2 and s.session = $3
