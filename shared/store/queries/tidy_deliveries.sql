-- What endpoints were told, and what was given up.
-- $1 tenant, $2 last attempted before, $3 at most, $4 whether only to count.
with old as materialized (
    select id
    from afterthought.webhook_deliveries
    where tenant = $1 and status <> 'pending' and coalesce(last_attempt_at, created_at) < $2
    limit $3
),
gone as (
    delete from afterthought.webhook_deliveries d using old where not $4 and d.id = old.id
)
select count(*) as rows from old
