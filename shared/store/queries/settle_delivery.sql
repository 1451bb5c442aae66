-- Writes down an attempt, if this sender still has the endpoint, and answers whether the endpoint is as it was when it was read.
-- $1 endpoint, $2 claim, $3 delivery, $4 its status from now on, $5 what was answered, $6 what went wrong, $7 now, $8 until when the
-- endpoint stays taken, unless somebody has disabled it; when that is null, it is given back: $9 not to be asked before, $10
-- disabled because; $11 when the endpoint had been changed last.
with held as (
    update afterthought.webhook_endpoints
    set claim = case when $8::timestamptz is null or status = 'disabled' then null else claim end,
        claimed_until = case when status = 'disabled' then null else $8 end,
        failing_since = case when $4 = 'delivered' then null else coalesce(failing_since, $7) end,
        next_attempt_at = coalesce($9, next_attempt_at),
        status = case when $10::text is null then status else 'disabled' end,
        disabled_because = coalesce($10, disabled_because)
    where id = $1 and claim = $2
    returning id, updated_at
),
settled as (
    update afterthought.webhook_deliveries d
    set status = $4, status_since = case when d.status = $4 then d.status_since else $7 end, attempts = attempts + 1,
        last_attempt_at = $7, last_status = $5, last_error = $6
    from held
    where d.id = $3 and d.endpoint_id = held.id
)
select updated_at = $11 as is_unchanged from held
