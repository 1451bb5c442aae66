-- Which of these idempotency keys name events in the log of a session. $1 tenant, $2 user, $3 session name, $4 keys.
select e.idempotency_key
from afterthought.sessions s
join afterthought.session_events e on e.session_id = s.id
where s.tenant = $1 and s.user_id = $2 and s.session = $3 and e.idempotency_key = any($4::text[])
