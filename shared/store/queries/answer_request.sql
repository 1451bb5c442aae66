-- Keeps the answer to a request in the transaction that has its effect.
-- $1 tenant, $2 user, $3 key, $4 the answer.
update afterthought.requests set answer = $4 where tenant = $1 and user_id = $2 and key = $3
