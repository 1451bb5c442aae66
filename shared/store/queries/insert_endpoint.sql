-- Makes an endpoint of a tenant that has fewer than $8. $1 id, $2 tenant, $3 url, $4 description, $5 event types and
-- $6 types of memories: null for all; $7 sealed secret.
insert into afterthought.webhook_endpoints (id, tenant, url, description, event_types, memory_types, secret)
select $1, $2, $3, $4, $5, $6, $7
where (select count(*) from afterthought.webhook_endpoints where tenant = $2) < $8
returning id, url, description, event_types, memory_types, status, disabled_because, failing_since,
          nullif(next_attempt_at, '-infinity') as next_attempt_at, created_at, updated_at, 0::bigint as pending,
          null::timestamptz as pending_since
