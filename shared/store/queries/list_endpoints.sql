-- A tenant's endpoints, the oldest first, or the one named, with how much waits for each and since when. $1 tenant; $2 endpoint, null
-- for all.
select e.id, e.url, e.description, e.event_types, e.memory_types, e.status, e.disabled_because, e.failing_since,
       nullif(e.next_attempt_at, '-infinity') as next_attempt_at, e.created_at, e.updated_at,
       (select count(*) from (
           select from afterthought.webhook_deliveries d where d.endpoint_id = e.id and d.status = 'pending' limit 10000
       ) waiting) as pending,
       (select min(d.status_since) from afterthought.webhook_deliveries d
        where d.endpoint_id = e.id and d.status = 'pending') as pending_since
from afterthought.webhook_endpoints e
where e.tenant = $1 and ($2::uuid is null or e.id = $2)
order by e.created_at, e.id
