-- What endpoints were told, and what was given up.
-- $1 tenant, $2 delivered or given up before, $3 at most, $4 whether only to count.
with old as materialized (
    select id
    from afterthought.webhook_deliveries
    where tenant = $1 and status <> 'pending' and status_since < $2
    limit $3
),
gone as (
    delete from afterthought.webhook_deliveries d using old where not $4 and d.id = old.id and d.status <> 'pending'
)
select count(*) as rows from old
