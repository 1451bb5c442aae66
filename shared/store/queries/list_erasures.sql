-- A tenant's erasures, the newest first, from a place in that order on. $1 tenant, $2 and $3 the time and id of the last
-- one seen, null for the beginning, $4 only those that are not complete, $5 at most.
select id, subject, counts, erased_at, purged_at, completed_at,
       case when completed_at is null then afterthought.erasure_waits_for(id) end as waits_for
from afterthought.erasures
where tenant = $1 and ($2::timestamptz is null or (erased_at, id) < ($2, $3::uuid)) and (not $4 or completed_at is null)
order by erased_at desc, id desc
limit $5
