-- Writes down an attempt, if this sender still has the endpoint; answers whether the endpoint is as it was when it was read, and
-- what waits for it behind the message, as it is now: what has been erased since is not sent. Of an endpoint that was changed
-- since, a failure says nothing: it stays taken, and what failed for good is tried once more.
-- $1 endpoint, $2 claim, $3 delivery, $4 its status from now on, $5 what was answered, $6 what went wrong, $7 now, $8 until when
-- the endpoint stays taken, unless somebody has disabled it; when that is null, it is given back: $9 not to be asked before, $10
-- disabled because; $11 when the endpoint had been changed last.
with held as (
    update afterthought.webhook_endpoints
    set claim = case when status = 'disabled' or updated_at = $11 and $8::timestamptz is null then null else claim end,
        claimed_until = case when status = 'disabled' then null when updated_at = $11 then $8 else claimed_until end,
        failing_since = case when $4 = 'delivered' then null
                             when updated_at = $11 then coalesce(failing_since, $7)
                             else failing_since end,
        next_attempt_at = case when updated_at = $11 then coalesce($9, next_attempt_at) else next_attempt_at end,
        status = case when $10::text is null or updated_at <> $11 then status else 'disabled' end,
        disabled_because = case when updated_at = $11 then coalesce($10, disabled_because) else disabled_because end
    where id = $1 and claim = $2
    returning id, updated_at = $11 as is_unchanged
),
settled as (
    update afterthought.webhook_deliveries d
    set status = case when $4 = 'dead' and not held.is_unchanged then 'pending' else $4 end,
        status_since = case when d.status = $4 then d.status_since else $7 end,
        attempts = attempts + 1, last_attempt_at = $7, last_status = $5, last_error = $6
    from held
    where d.id = $3 and d.endpoint_id = held.id
)
select h.is_unchanged, d.id, d.message_id, d.payload, d.attempts
from held h
left join lateral (
    select w.id, w.message_id, w.payload::text as payload, w.attempts
    from afterthought.webhook_deliveries w
    where w.endpoint_id = h.id and w.status = 'pending' and w.id <> $3
    order by w.id
    limit 1
) d on $8::timestamptz is not null
