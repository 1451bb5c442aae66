-- One row when a request's key is known.
-- $1 tenant, $2 user, $3 key, $4 for how many seconds a key is known.
select from afterthought.requests
where tenant = $1 and user_id = $2 and key = $3 and created_at >= now() - make_interval(secs => $4)
