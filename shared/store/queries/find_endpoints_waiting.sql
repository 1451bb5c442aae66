-- The endpoints that should have been asked by now: something has waited for them since before $2, nobody is at it, and
-- their last failure is long enough ago. $1 now; at most 10,000.
select e.id, e.tenant
from afterthought.webhook_endpoints e
where e.status = 'enabled' and e.next_attempt_at <= $1 and (e.claimed_until is null or e.claimed_until <= $1)
  and exists (
      select from afterthought.webhook_deliveries d
      where d.endpoint_id = e.id and d.status = 'pending' and d.created_at <= $2)
limit 10000
