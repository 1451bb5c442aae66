-- Keys of requests that are free again, and the answers kept under them.
-- $1 tenant, $2 made before, $3 at most, $4 whether only to count.
with old as materialized (
    select user_id, key from afterthought.requests where tenant = $1 and created_at < $2 limit $3
),
gone as (
    delete from afterthought.requests r
    using old
    where not $4 and r.tenant = $1 and r.user_id = old.user_id and r.key = old.key
)
select count(*) as rows from old
