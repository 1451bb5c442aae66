-- Ends an operation that is pending, and of which no later try has begun.
-- $1 tenant, $2 user, $3 session, $4 id, $5 the try, null for whichever it is, $6 completed or failed, $7 result, $8 error.
update afterthought.operations o
set status = $6, result = $7, error = $8, ended_at = now()
from afterthought.sessions s
where s.tenant = $1 and s.user_id = $2 and s.session = $3
  and o.session_id = s.id and o.id = $4 and o.status = 'pending' and ($5::integer is null or o.attempt = $5)
returning o.id, o.name, o.input, o.key, o.status, o.attempt, o.lease_until, o.result, o.error, o.begun_at, o.ended_at
