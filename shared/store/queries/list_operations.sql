-- The operations of a session in the order of their beginning. One row without an id when there is none; no row when there is
-- no such session.
-- $1 tenant, $2 user, $3 session, $4 after, $5 at most, $6 status, null for any.
select s.id as session_id, o.id, o.name, o.input, o.key, o.status, o.attempt, o.lease_until, o.result, o.error, o.begun_at,
       o.ended_at
from afterthought.sessions s
left join lateral (
    select *
    from afterthought.operations
    where session_id = s.id and id > $4 and ($6::text is null or status = $6)
    order by id
    limit $5
) o on true
where s.tenant = $1 and s.user_id = $2 and s.session = $3
order by o.id
