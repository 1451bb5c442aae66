-- A tenant's erasures that are not complete, the oldest first. $1 tenant, $2 and $3 the time and id of the last one seen,
-- null for the beginning, $4 at most.
select id, subject, names, erased_at, coalesce(asked_at, erased_at) as asked_at, purged_at
from afterthought.erasures
where tenant = $1 and completed_at is null and ($2::timestamptz is null or (erased_at, id) > ($2, $3::uuid))
order by erased_at, id
limit $4
