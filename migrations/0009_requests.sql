-- Why: what an application asks to be done is done once, however often it asks, and it may write any kind of event over HTTP.

-- A key an application gave to a request, with the answer the request got. Written in the transaction that has the effect:
-- a repeat that comes meanwhile waits for that transaction at the primary key and is given its answer, and one that
-- failed leaves no key behind. A key is free again after 24 hours.
create table afterthought.requests (
    tenant text not null references afterthought.tenants,
    user_id text not null,
    key text not null check (octet_length(key) between 1 and 255),
    -- SHA-256 of the operation and its body: the same key for something else is an error.
    fingerprint bytea not null check (octet_length(fingerprint) = 32),
    answer jsonb,
    created_at timestamptz not null default now(),
    primary key (tenant, user_id, key)
) with (fillfactor = 80);
-- What has ended, for whoever clears it away.
create index requests_created on afterthought.requests using brin (created_at);

alter table afterthought.requests enable row level security, force row level security;
create policy owner_all on afterthought.requests to current_user using (true) with check (true);
create policy agent_own on afterthought.requests to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update, delete on afterthought.requests to afterthought_agent;

-- The functions append events on behalf of applications, under the same triggers as an insert into `messages`.
create policy agent_appends on afterthought.session_events for insert to afterthought_agent
    with check (tenant = afterthought.current_tenant());
grant insert (tenant, user_id, session, event_type, role, speaker, content, metadata, schema_version, idempotency_key, occurred_at)
    on afterthought.session_events to afterthought_agent;

-- A repeat of an idempotency key must repeat what the event holds beside its text, too. The rest is as it was in 0002.
create or replace function afterthought.skip_repeat() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    same_content boolean;
begin
    select e.event_type = new.event_type and e.role is not distinct from new.role
           and e.content is not distinct from new.content and e.metadata = new.metadata
    into same_content
    from afterthought.session_events e
    where e.session_id = new.session_id and e.idempotency_key = new.idempotency_key;
    if not found then
        return new;
    end if;
    if not same_content then
        raise exception 'idempotency_key % was used in this session for other content', quote_literal(new.idempotency_key)
            using errcode = 'unique_violation', schema = 'afterthought', table = 'messages', column = 'idempotency_key';
    end if;
    perform set_config('afterthought.open_head', (new.version - 1)::text, true);
    return null;
end
$$;
