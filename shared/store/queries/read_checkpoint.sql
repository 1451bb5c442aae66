-- The latest checkpoint of a session up to a sequence and those it is made of, from the last to the first. No more than it can
-- be made of, even if its row was changed.
-- $1 tenant, $2 user, $3 session, $4 sequence, $5 at most.
with asked as materialized (
    select c.session_id, c.sequence, c.whole
    from afterthought.sessions s
    join afterthought.checkpoints c on c.session_id = s.id
    where s.tenant = $1 and s.user_id = $2 and s.session = $3 and c.sequence <= $4
    order by c.sequence desc
    limit 1
)
select c.session_id, c.sequence, c.node_id, c.parent, c.parent_checksum, c.through, c.schema_version, c.state, c.patch,
       c.whole, c.patches, c.chain_bytes, c.state_bytes, c.checksum, c.created_at
from asked a
join afterthought.checkpoints c
  on c.session_id = a.session_id and c.sequence <= a.sequence and c.sequence >= least(a.whole, a.sequence)
order by c.sequence desc
limit $5
