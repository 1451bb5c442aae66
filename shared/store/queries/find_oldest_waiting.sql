-- Since when what has waited longest for an endpoint that is enabled does; null when nothing waits.
select min(w.status_since) as since
from afterthought.webhook_endpoints e
cross join lateral (
    select d.status_since
    from afterthought.webhook_deliveries d
    where d.endpoint_id = e.id and d.status = 'pending'
    order by d.status_since
    limit 1
) w
where e.status = 'enabled'
