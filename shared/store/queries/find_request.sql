-- What was asked under a key, and answered. Runs after claim_request, as a statement of its own, so that it sees what that waited for.
-- $1 tenant, $2 user, $3 key.
select fingerprint, answer from afterthought.requests where tenant = $1 and user_id = $2 and key = $3
