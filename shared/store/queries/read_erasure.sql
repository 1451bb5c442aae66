-- An erasure that was asked for of this user. $1 tenant, $2 user, $3 erasure.
select id, subject, counts, erased_at, purged_at, completed_at
from afterthought.erasures
where id = $3 and tenant = $1 and user_digest = afterthought.subject_digest($1, $2)
