-- Why: what is to be told to an endpoint that is disabled waited without end. Whatever waits has a period now, after which it is a
-- dead letter that can be sent again; and since when something waits can be asked and watched.

-- Since when a message is what its status says: waits, is delivered, or was given up. Rows from before begin now, so that whoever
-- updates loses nothing that waits, and keeps what was told for one more period at most.
alter table afterthought.webhook_deliveries add column status_since timestamptz not null default now();

-- What has waited longest for an endpoint, and what a tenant may clear away.
create index webhook_deliveries_overdue on afterthought.webhook_deliveries (endpoint_id, status_since)
    where status = 'pending';
create index webhook_deliveries_settled on afterthought.webhook_deliveries (tenant, status_since)
    where status <> 'pending';

-- Whoever clears away gives up what has waited too long. Of endpoints it sees which there are, and neither address nor secret.
create policy keeper_own on afterthought.webhook_endpoints for select to afterthought_keeper
    using (tenant = afterthought.current_tenant());
grant select (id, tenant) on afterthought.webhook_endpoints to afterthought_keeper;
grant update (status, status_since, last_error) on afterthought.webhook_deliveries to afterthought_keeper;
-- Whoever watches sees since when somebody is waited for.
grant select (status_since) on afterthought.webhook_deliveries to afterthought_reader;
