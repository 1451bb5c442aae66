-- What was sent to an endpoint, or waits, the latest first. $1 endpoint; $2 status, null for any; $3 before this one, null for
-- from the latest; $4 at most.
select id, message_id, payload, status, attempts, last_attempt_at, last_status, last_error, created_at
from afterthought.webhook_deliveries
where endpoint_id = $1 and ($2::text is null or status = $2) and ($3::bigint is null or id < $3)
order by id desc
limit $4
