-- An operation of a session by its id or by its key.
-- $1 tenant, $2 user, $3 session, $4 id, null to find it by the key $5.
select s.id as session_id, o.id, o.name, o.input, o.key, o.status, o.attempt, o.lease_until, o.result, o.error, o.begun_at, o.ended_at
from afterthought.sessions s
join afterthought.operations o on o.session_id = s.id and (o.id = $4 or o.key = $5)
where s.tenant = $1 and s.user_id = $2 and s.session = $3
limit 1
