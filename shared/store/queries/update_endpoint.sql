-- Changes an endpoint. $1 endpoint; $2 url, null to leave it; whether to set $4 description, $6 event types, $8 types of
-- memories; $9 status, null to leave it. An endpoint that is enabled, or moves, is asked at once.
update afterthought.webhook_endpoints
set url = coalesce($2, url),
    description = case when $3 then $4 else description end,
    event_types = case when $5 then $6 else event_types end,
    memory_types = case when $7 then $8 else memory_types end,
    status = coalesce($9, status),
    disabled_because = case $9 when 'enabled' then null when 'disabled' then 'asked' else disabled_because end,
    failing_since = case when $9 = 'enabled' or $2 is not null then null else failing_since end,
    next_attempt_at = case when $9 = 'enabled' or $2 is not null then '-infinity' else next_attempt_at end,
    updated_at = now()
where id = $1
returning id, url, description, event_types, memory_types, status, disabled_because, failing_since,
          nullif(next_attempt_at, '-infinity') as next_attempt_at, created_at, updated_at,
          (select count(*) from (
              select from afterthought.webhook_deliveries d
              where d.endpoint_id = webhook_endpoints.id and d.status = 'pending' limit 10000
          ) waiting) as pending,
          (select min(d.status_since) from afterthought.webhook_deliveries d
           where d.endpoint_id = webhook_endpoints.id and d.status = 'pending') as pending_since
