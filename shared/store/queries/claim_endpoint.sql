-- Takes an endpoint for one sender and reads what has waited longest for it. Nothing when it is disabled, is not to be asked
-- yet, or another sender has it. $1 endpoint, $2 claim, $3 now, $4 until when it is taken.
with claimed as (
    update afterthought.webhook_endpoints
    set claim = $2, claimed_until = $4
    where id = $1 and status = 'enabled' and next_attempt_at <= $3
      and (claim = $2 or claimed_until is null or claimed_until <= $3)
    returning id, url, secret, case when old_secret_until > $3 then old_secret end as old_secret, failing_since, updated_at
)
select c.url, c.secret, c.old_secret, c.failing_since, c.updated_at, d.id, d.message_id, d.payload, d.attempts
from claimed c
left join lateral (
    select w.id, w.message_id, w.payload::text as payload, w.attempts
    from afterthought.webhook_deliveries w
    where w.endpoint_id = c.id and w.status = 'pending'
    order by w.id
    limit 1
) d on true
