-- Memories whose deletion can no longer be taken back, locked, so that none is until they go. $1 tenant, $2 deleted before, $3 at most.
select m.id
from afterthought.memories m
where m.tenant = $1 and m.status = 'deleted' and m.updated_at < $2
  -- What an endpoint is to be told of it, or has not taken, is kept with it for its own period.
  and not exists (
      select from afterthought.webhook_deliveries d where d.memory_id = m.id and d.status <> 'delivered')
order by m.id
limit $3
for update of m
