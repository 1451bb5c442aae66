-- The checkpoints of a session without their states, the latest first.
-- $1 tenant, $2 user, $3 session, $4 before this sequence, null for the latest, $5 at most.
select c.sequence, c.node_id, c.parent, c.through, c.schema_version, c.state_bytes,
       octet_length(coalesce(c.state, c.patch, '')) as stored_bytes, c.state is not null as is_whole, c.checksum, c.created_at
from afterthought.sessions s
join afterthought.checkpoints c on c.session_id = s.id
where s.tenant = $1 and s.user_id = $2 and s.session = $3 and ($4::bigint is null or c.sequence < $4)
order by c.sequence desc
limit $5
