-- An operation that begins, unless the session knows one by its key. Runs under the session's lock.
-- The lease begins when the lock is had, not when the transaction began.
-- $1 tenant, $2 user, $3 session, $4 name, $5 input, $6 key, null for none, $7 seconds of its lease.
insert into afterthought.operations (tenant, session_id, id, name, input, key, lease_until)
select $1, s.id, coalesce((select max(id) from afterthought.operations where session_id = s.id), 0) + 1, $4, $5, $6,
       clock_timestamp() + make_interval(secs => $7)
from afterthought.sessions s
where s.tenant = $1 and s.user_id = $2 and s.session = $3
on conflict (session_id, key) where key is not null do nothing
returning id, name, input, key, status, attempt, lease_until, result, error, begun_at, ended_at
