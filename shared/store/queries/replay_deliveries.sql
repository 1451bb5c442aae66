-- Has what was sent to an endpoint, or set aside, sent again in its order. $1 endpoint; $2 status, null for both; $3 accepted
-- from then on, null for from the beginning; $4 this one alone, null for all.
with renewed as (
    update afterthought.webhook_deliveries
    set status = 'pending', status_since = now(), attempts = 0
    where endpoint_id = $1 and status <> 'pending'
      and ($2::text is null or status = $2)
      and ($3::timestamptz is null or created_at >= $3)
      and ($4::uuid is null or message_id = $4)
    returning 1
)
select count(*) as renewed from renewed
