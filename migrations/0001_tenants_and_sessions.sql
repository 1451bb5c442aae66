-- Why: everything belongs to a tenant, and nothing is read without naming one.
--
-- Three group roles, none of which can log in; login users are made members of them.
--   afterthought_app     applications: may insert through the view `messages`, and nothing else
--   afterthought_agent   the functions: rows of the tenant named in the transaction
--   afterthought_reader  the replication reader: positions of all tenants, never content
-- Roles belong to the cluster, not to the database, so another database may be creating them at this moment.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['afterthought_app', 'afterthought_agent', 'afterthought_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        exception
            when duplicate_object or unique_violation then null;
        end;
    end loop;
end
$$;

create extension if not exists vector;

create schema if not exists afterthought;
grant usage on schema afterthought to afterthought_app, afterthought_agent, afterthought_reader;

-- The tenant named in this transaction: select set_config('afterthought.tenant', 'acme', true).
-- Null when none is named, so that no row matches.
create function afterthought.current_tenant() returns text
language sql stable parallel safe
return nullif(current_setting('afterthought.tenant', true), '');

create table afterthought.tenants (
    tenant text primary key
        check (octet_length(tenant) between 1 and 200 and tenant !~ '[[:cntrl:]]'),
    settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
    created_at timestamptz not null default now()
);
insert into afterthought.tenants (tenant) values ('default');

-- One conversation of one user. `head_version` is the last version handed out; its row lock orders the session.
-- The free space and the absence of an index on anything that moves keep every update of the head on its own page.
create table afterthought.sessions (
    id uuid primary key default gen_random_uuid(),
    tenant text not null references afterthought.tenants,
    user_id text not null check (octet_length(user_id) between 1 and 200 and user_id !~ '[[:cntrl:]]'),
    session text not null check (octet_length(session) between 1 and 200 and session !~ '[[:cntrl:]]'),
    status text not null default 'active' check (status in ('active', 'paused', 'completed', 'failed')),
    head_version bigint not null default 0 check (head_version >= 0),
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    created_at timestamptz not null default now(),
    last_event_at timestamptz not null default now(),
    unique (tenant, user_id, session)
) with (fillfactor = 50);

create table afterthought.profiles (
    tenant text not null references afterthought.tenants,
    user_id text not null,
    preferences jsonb not null default '{}' check (jsonb_typeof(preferences) = 'object'),
    learned_facts jsonb not null default '[]' check (jsonb_typeof(learned_facts) = 'array'),
    interaction_count bigint not null default 0,
    last_active_at timestamptz not null default now(),
    primary key (tenant, user_id)
);

-- Row-level security is forced, so that the owner is held to a policy too; the owner's policy is that it may do
-- anything, because migrations and the version trigger run as the owner.
alter table afterthought.tenants enable row level security, force row level security;
create policy owner_all on afterthought.tenants to current_user using (true) with check (true);
create policy agent_own on afterthought.tenants for select to afterthought_agent
    using (tenant = afterthought.current_tenant());
grant select on afterthought.tenants to afterthought_agent;

alter table afterthought.sessions enable row level security, force row level security;
create policy owner_all on afterthought.sessions to current_user using (true) with check (true);
create policy agent_own on afterthought.sessions to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
create policy reader_positions on afterthought.sessions for select to afterthought_reader using (true);
grant select on afterthought.sessions to afterthought_agent;
grant update (status, metadata) on afterthought.sessions to afterthought_agent;
grant select (id, tenant, head_version, last_event_at) on afterthought.sessions to afterthought_reader;

alter table afterthought.profiles enable row level security, force row level security;
create policy owner_all on afterthought.profiles to current_user using (true) with check (true);
create policy agent_own on afterthought.profiles to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update on afterthought.profiles to afterthought_agent;
