-- An erasure that was asked for of this user. $1 tenant, $2 user, $3 erasure.
select id, subject, counts, erased_at, purged_at, completed_at,
       case when completed_at is null then afterthought.erasure_waits_for(id) end as waits_for
from afterthought.erasures
where id = $3 and tenant = $1 and user_digest = afterthought.subject_digest($1, $2)
