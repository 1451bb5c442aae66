-- Why: whoever keeps a copy of what is remembered, or acts on it, is told of every change, signed and in order, until it
-- has the message or refuses it for good.

-- Where a tenant wants to be told. `secrets` are sealed by the functions: Postgres never holds one it could read.
create table afterthought.webhook_endpoints (
    id uuid primary key,
    tenant text not null references afterthought.tenants,
    url text not null check (octet_length(url) between 1 and 2000),
    description text check (octet_length(description) <= 2000),
    -- Which events, and of which types of memories; null for all.
    event_types text[] check (cardinality(event_types) between 1 and 32),
    memory_types text[] check (cardinality(memory_types) between 1 and 32),
    secret bytea not null,
    -- The one before, which signs too until then.
    old_secret bytea,
    old_secret_until timestamptz,
    status text not null default 'enabled' check (status in ('enabled', 'disabled')),
    -- Why it is disabled: its owner said so, it answered 410, or it has failed for too long.
    disabled_because text check (disabled_because in ('asked', 'gone', 'failing')),
    -- Since when nothing has come through.
    failing_since timestamptz,
    -- Nothing is sent before this: the wait after a failure.
    next_attempt_at timestamptz not null default '-infinity',
    -- Who is sending, and until when nobody else may.
    claim uuid,
    claimed_until timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check ((status = 'disabled') = (disabled_because is not null)),
    check ((old_secret is null) = (old_secret_until is null)),
    check ((claim is null) = (claimed_until is null))
);
create index webhook_endpoints_of_tenant on afterthought.webhook_endpoints (tenant, created_at, id);

-- One message to one endpoint. `payload` is what is sent, the same at every attempt.
create table afterthought.webhook_deliveries (
    id bigint generated always as identity primary key,
    message_id uuid not null default gen_random_uuid(),
    endpoint_id uuid not null references afterthought.webhook_endpoints on delete cascade,
    tenant text not null,
    -- What it is about: a memory that is erased takes with it what was to be told of it.
    user_id text,
    memory_id uuid references afterthought.memories on delete cascade,
    payload jsonb not null check (jsonb_typeof(payload) = 'object'),
    status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
    attempts integer not null default 0,
    last_attempt_at timestamptz,
    -- What the endpoint answered last, or why there was no answer.
    last_status smallint,
    last_error text check (octet_length(last_error) <= 500),
    created_at timestamptz not null default now()
);
create index webhook_deliveries_pending on afterthought.webhook_deliveries (endpoint_id, id) where status = 'pending';
create index webhook_deliveries_listed on afterthought.webhook_deliveries (endpoint_id, id desc);
create index webhook_deliveries_of_user on afterthought.webhook_deliveries (tenant, user_id);
create index webhook_deliveries_of_memory on afterthought.webhook_deliveries (memory_id) where memory_id is not null;

-- Writes a message for every endpoint that wants to know. It is written by the transaction that makes the change, so none
-- is lost and none is sent of a change that was rolled back; the insert reaches the notifier through the stream.
create function afterthought.tell_endpoints(memory afterthought.memories, change text) returns void
language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
    insert into afterthought.webhook_deliveries (endpoint_id, tenant, user_id, memory_id, payload)
    select e.id, memory.tenant, memory.user_id, memory.id,
           jsonb_build_object(
               'type', event.name,
               'timestamp', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'data', case change
                   when 'deleted' then event.subject
                   else event.subject || jsonb_build_object(
                       'key', memory.key, 'content', memory.content, 'data', memory.data, 'confidence', memory.confidence,
                       'valid_from', memory.valid_from, 'valid_to', memory.valid_to,
                       'superseded_by', memory.superseded_by)
               end)
    from afterthought.webhook_endpoints e,
         lateral (
             select case memory.type when 'action' then 'action.' else 'memory.' end
                        || case when memory.type <> 'action' then change
                                when change = 'created' then 'detected'
                                when change = 'superseded' then 'closed'
                                else change end,
                    jsonb_build_object(
                        'id', memory.id, 'user', memory.user_id, 'scope', memory.scope, 'type', memory.type,
                        'session', (select s.session from afterthought.sessions s where s.id = memory.session_id),
                        'version', memory.version)
         ) as event (name, subject)
    where e.tenant = memory.tenant
      and (e.event_types is null or event.name = any(e.event_types))
      and (e.memory_types is null or memory.type = any(e.memory_types));
$$;
revoke execute on function afterthought.tell_endpoints(afterthought.memories, text) from public;

-- A change is told when what is currently known changed: it became known, says something else, gave way, or was deleted.
create function afterthought.tell_of_memory() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    was_current boolean := tg_op = 'UPDATE' and old.status = 'active' and old.valid_to is null;
    is_current boolean := new.status = 'active' and new.valid_to is null;
begin
    -- Nearly every tenant has no endpoint: this is all it pays.
    if not exists (select from afterthought.webhook_endpoints e where e.tenant = new.tenant) then
        return null;
    end if;
    if is_current and not was_current then
        perform afterthought.tell_endpoints(new, 'created');
    elsif is_current and (new.content is distinct from old.content or new.data is distinct from old.data) then
        perform afterthought.tell_endpoints(new, 'updated');
    elsif tg_op = 'UPDATE' and old.status = 'active' and new.status = 'deleted' then
        perform afterthought.tell_endpoints(new, 'deleted');
    elsif was_current and not is_current then
        perform afterthought.tell_endpoints(new, 'superseded');
    end if;
    return null;
end
$$;
create trigger memories_told_when_new after insert on afterthought.memories
    for each row
    when (new.status = 'active' and new.valid_to is null)
    execute function afterthought.tell_of_memory();
create trigger memories_told_when_changed after update of status, valid_to, content, data on afterthought.memories
    for each row
    when (old.status is distinct from new.status or old.valid_to is distinct from new.valid_to
          or old.content is distinct from new.content or old.data is distinct from new.data)
    execute function afterthought.tell_of_memory();

do $$
declare
    table_name text;
begin
    foreach table_name in array array['webhook_endpoints', 'webhook_deliveries'] loop
        execute format('alter table afterthought.%I enable row level security, force row level security', table_name);
        execute format('create policy owner_all on afterthought.%I to current_user using (true) with check (true)', table_name);
        execute format(
            'create policy agent_own on afterthought.%I to afterthought_agent '
            'using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant())',
            table_name);
        execute format(
            'create policy reader_positions on afterthought.%I for select to afterthought_reader using (true)', table_name);
    end loop;
end
$$;
create policy keeper_own on afterthought.webhook_deliveries to afterthought_keeper
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, delete on afterthought.webhook_deliveries to afterthought_keeper;
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        grant maintain on afterthought.webhook_deliveries to afterthought_keeper;
    end if;
end
$$;
grant select, insert, update, delete on afterthought.webhook_endpoints to afterthought_agent;
grant select, insert, update on afterthought.webhook_deliveries to afterthought_agent;
-- The sweep sees who is waited for, never an address or a message.
grant select (id, tenant, status, next_attempt_at, claimed_until) on afterthought.webhook_endpoints to afterthought_reader;
grant select (id, endpoint_id, status, created_at) on afterthought.webhook_deliveries to afterthought_reader;

alter publication afterthought add table afterthought.webhook_deliveries (id, endpoint_id, tenant);
