-- Memories that the memory-curator let fade, and that nobody opened again: what fading did is undone until then.
-- $1 tenant, $2 closed before, $3 at most.
select m.id
from afterthought.memories m
where m.tenant = $1 and m.valid_to < $2 and m.updated_at < $2 and m.superseded_by is null and m.status = 'active'
  and not m.pinned
  and exists (
      select from afterthought.ledger l
      where l.tenant = $1 and l.memory_id = m.id and l.outcome = 'closed' and l.reason = 'faded'
  )
  -- What an endpoint is to be told of it, or has not taken, is kept with it for its own period.
  and not exists (
      select from afterthought.webhook_deliveries d where d.memory_id = m.id and d.status <> 'delivered')
order by m.id
limit $3
for update of m
