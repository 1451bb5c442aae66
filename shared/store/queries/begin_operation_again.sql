-- Begins an operation anew that failed, or whose lease ended before it did. Runs under the session's lock.
-- $1 tenant, $2 user, $3 session, $4 name, $5 input, $6 key, $7 seconds of its lease.
update afterthought.operations o
set status = 'pending', attempt = o.attempt + 1, lease_until = clock_timestamp() + make_interval(secs => $7), error = null,
    ended_at = null
from afterthought.sessions s
where s.tenant = $1 and s.user_id = $2 and s.session = $3
  and o.session_id = s.id and o.key = $6 and o.name = $4 and o.input = $5
  and (o.status = 'failed' or (o.status = 'pending' and o.lease_until <= clock_timestamp()))
returning o.id, o.name, o.input, o.key, o.status, o.attempt, o.lease_until, o.result, o.error, o.begun_at, o.ended_at
