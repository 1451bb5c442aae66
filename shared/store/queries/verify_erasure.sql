-- What is left of a user, or of one of their sessions, by layer, and when they were erased last; one row without a layer when
-- nothing is. $1 tenant, $2 user, $3 session or null.
select erased.at as erased_at, v.layer, v.remaining
from (select afterthought.erased_at($1, $2, $3) as at) erased
left join lateral afterthought.verify_erasure($1, $2, $3) v on true
