-- What has waited too long for an endpoint, enabled or not, becomes a dead letter. A sender that is at it may still deliver it.
-- $1 tenant, $2 waiting since before, $3 at most, $4 whether only to count.
with overdue as materialized (
    select w.id
    from afterthought.webhook_endpoints e
    cross join lateral (
        select d.id
        from afterthought.webhook_deliveries d
        where d.endpoint_id = e.id and d.status = 'pending' and d.status_since < $2
        order by d.status_since, d.id
        limit $3
    ) w
    where e.tenant = $1
    limit $3
),
given_up as (
    update afterthought.webhook_deliveries d
    set status = 'dead', status_since = now(), last_error = 'waited longer than `waiting_days` allows'
    from overdue o
    where not $4 and d.id = o.id and d.status = 'pending'
)
select count(*) as rows from overdue
