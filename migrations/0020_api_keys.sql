-- Why: whoever has an API key acts for its tenant, within the key's scopes; and what a tenant has of its own is changed over
-- HTTP, by its own administrators and by operators.

-- Keys are known by their SHA-256 alone: the key itself is shown once, when it is made.
create table afterthought.api_keys (
    id uuid primary key default gen_random_uuid(),
    tenant text not null references afterthought.tenants,
    name text not null check (octet_length(name) between 1 and 200 and name !~ '[[:cntrl:]]'),
    -- How the key begins, to tell it from others.
    hint text not null check (octet_length(hint) between 1 and 16),
    hash bytea not null unique check (octet_length(hash) = 32),
    scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['ingest', 'read', 'admin']),
    -- The key this one was made to take the place of.
    replaces uuid,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    -- Written in batches, so it may be a minute old.
    last_used_at timestamptz
) with (fillfactor = 80);
create index api_keys_tenant on afterthought.api_keys (tenant, created_at);

alter table afterthought.api_keys enable row level security, force row level security;
create policy owner_all on afterthought.api_keys to current_user using (true) with check (true);
create policy agent_own on afterthought.api_keys to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert (id, tenant, name, hint, hash, scopes, replaces, created_at, expires_at),
      update (expires_at, revoked_at, last_used_at)
    on afterthought.api_keys to afterthought_agent;

-- Whose key this is. Nobody knows the tenant before; whoever knows the hash has had the key.
create function afterthought.find_api_key(wanted bytea)
returns table (id uuid, tenant text, scopes text[], valid_until timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    -- The earlier of the two; null when there is neither.
    select k.id, k.tenant, k.scopes, least(k.expires_at, k.revoked_at)
    from afterthought.api_keys k
    where k.hash = wanted;
end;
revoke execute on function afterthought.find_api_key(bytea) from public;
grant execute on function afterthought.find_api_key(bytea) to afterthought_agent;

-- Which state of a tenant's settings it is, whoever changes them: an older copy of them never takes the place of a newer.
alter table afterthought.tenants
    add column version bigint not null default 1 check (version > 0),
    add column updated_at timestamptz not null default now();

create function afterthought.number_settings() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    new.version := old.version + 1;
    new.updated_at := now();
    return new;
end
$$;
create trigger number_settings before update of settings on afterthought.tenants
    for each row when (old.settings is distinct from new.settings)
    execute function afterthought.number_settings();

create policy agent_changes on afterthought.tenants for update to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant update (settings) on afterthought.tenants to afterthought_agent;

-- Tenants are made by operators, who see all of them. Keys and settings they change as the tenant.
create policy operator_all on afterthought.tenants for select to afterthought_operator using (true);
create policy operator_makes on afterthought.tenants for insert to afterthought_operator with check (true);
grant select, insert (tenant) on afterthought.tenants to afterthought_operator;
