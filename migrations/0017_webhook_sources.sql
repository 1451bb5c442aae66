-- Why: what others send for a tenant is signed, and says things in its own way: who sends, what signs, and how it becomes
-- events is the tenant's to say.

create table afterthought.webhook_sources (
    -- The URL that the sender is given ends in it.
    id uuid primary key default gen_random_uuid(),
    tenant text not null references afterthought.tenants,
    name text not null check (octet_length(name) between 1 and 200 and name !~ '[[:cntrl:]]'),
    -- With the kind of sender.
    mapping jsonb not null check (jsonb_typeof(mapping) = 'object'),
    -- Each with an id, the secret sealed under the deployment's key, and when it was added; the newest last.
    secrets jsonb not null check (jsonb_typeof(secrets) = 'array' and jsonb_array_length(secrets) between 1 and 5),
    version bigint not null default 1 check (version > 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (tenant, name)
);

alter table afterthought.webhook_sources enable row level security, force row level security;
create policy owner_all on afterthought.webhook_sources to current_user using (true) with check (true);
create policy agent_own on afterthought.webhook_sources to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update, delete on afterthought.webhook_sources to afterthought_agent;

-- Whose source this is. Nobody knows the tenant before a request's signature has been looked at, and its secrets are sealed.
create function afterthought.find_webhook_source(wanted uuid) returns setof afterthought.webhook_sources
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select s.* from afterthought.webhook_sources s where s.id = wanted;
end;
revoke execute on function afterthought.find_webhook_source(uuid) from public;
grant execute on function afterthought.find_webhook_source(uuid) to afterthought_agent;
