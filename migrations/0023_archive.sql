-- Why: most sessions are never gone on with, and what was said in them is most of what is stored. After a while it goes to
-- object storage, and comes back when it is needed.
--
-- The event itself stays, with what orders it, what it is known by and what refers to it: its place in the log, its times, who
-- spoke, its idempotency key. So whatever is evidence stays evidence, a cursor never meets a gap, and a repeat is known.
-- What was said and the payload are in an object then.

-- How many bytes of content and metadata are in the archive; null for an event whose own columns hold them.
alter table afterthought.session_events add column archived_bytes integer;
-- By what the repeat of an idempotency key is told from other content meanwhile.
alter table afterthought.session_events add column archived_digest bytea;

create function afterthought.event_digest(content text, metadata jsonb) returns bytea
language sql immutable parallel safe
return coalesce(sha256(convert_to(content, 'UTF8')), '') || sha256(convert_to(metadata::text, 'UTF8'));

-- One object each: events of one session. The row is written before the object, and deleted after it, so that there is no
-- object without a row. No foreign key to sessions: the row of an erased one says what is still to be deleted.
create table afterthought.archive_objects (
    id uuid primary key,
    tenant text not null references afterthought.tenants,
    user_id text not null,
    session_id uuid not null,
    first_version bigint not null check (first_version > 0),
    last_version bigint not null check (last_version >= first_version),
    events integer not null check (events > 0),
    -- Of the object.
    bytes bigint not null check (bytes > 0),
    checksum bytea not null check (octet_length(checksum) = 32),
    -- Being written, in place of what the events held, or to be deleted.
    status text not null default 'writing' check (status in ('writing', 'stored', 'dropped')),
    created_at timestamptz not null default clock_timestamp()
);
-- Two who archive the same events at once meet here.
create unique index archive_objects_of_session on afterthought.archive_objects (session_id, first_version)
    where status <> 'dropped';
create index archive_objects_to_clear on afterthought.archive_objects (tenant, created_at) where status <> 'stored';
create index archive_objects_of_user on afterthought.archive_objects (tenant, user_id) include (events) where status = 'stored';

-- Up to which version the archive was offered what there is, and when it last came back: it stays for a while then.
alter table afterthought.sessions add column archived_through bigint not null default 0;
alter table afterthought.sessions add column restored_at timestamptz;

alter table afterthought.archive_objects enable row level security, force row level security;
create policy owner_all on afterthought.archive_objects to current_user using (true) with check (true);
create policy agent_own on afterthought.archive_objects for select to afterthought_agent
    using (tenant = afterthought.current_tenant());
create policy keeper_own on afterthought.archive_objects to afterthought_keeper
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select on afterthought.archive_objects to afterthought_agent;
grant select, insert, update (status), delete on afterthought.archive_objects to afterthought_keeper;
grant update (archived_through, restored_at) on afterthought.sessions to afterthought_keeper;
grant update (archived_bytes, archived_digest) on afterthought.session_events to afterthought_keeper;
-- What a session comes to is kept before its events go.
grant insert on afterthought.snapshots to afterthought_keeper;
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        grant maintain on afterthought.archive_objects to afterthought_keeper;
    end if;
end
$$;

-- As in 0009, and what is in the archive is compared by its digest.
create or replace function afterthought.skip_repeat() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    same_content boolean;
begin
    select e.event_type = new.event_type and e.role is not distinct from new.role
           and case
               when e.archived_digest is not null
                   then e.archived_digest = afterthought.event_digest(new.content, new.metadata)
               else e.content is not distinct from new.content and e.metadata = new.metadata
           end
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

-- As in 0015, with objects of the archive and what endpoints were to be told.
create or replace function afterthought.verify_erasure(of_tenant text, of_user text, of_session text default null)
returns table (layer text, remaining bigint)
language sql stable
begin atomic
    with erased as (
        select max(e.erased_at) as at
        from afterthought.erasures e
        where e.tenant = of_tenant and e.user_digest = afterthought.subject_digest(of_tenant, of_user)
          and e.subject_digest in (
              afterthought.subject_digest(of_tenant, of_user),
              case when of_session is not null then afterthought.subject_digest(of_tenant, of_user, of_session) end
          )
    ),
    left_over as (
        select 'sessions' as layer
        from afterthought.sessions s, erased
        where s.tenant = of_tenant and s.user_id = of_user and (of_session is null or s.session = of_session)
          and s.created_at <= erased.at
        union all
        select 'events'
        from afterthought.session_events e, erased
        where e.tenant = of_tenant and e.user_id = of_user and (of_session is null or e.session = of_session)
          and e.created_at <= erased.at
        union all
        select 'memories'
        from afterthought.memories m, erased
        where of_session is null and m.tenant = of_tenant and m.user_id = of_user and m.created_at <= erased.at
        union all
        select 'profiles'
        from afterthought.profiles p, erased
        where of_session is null and p.tenant = of_tenant and p.user_id = of_user and p.last_active_at <= erased.at
        union all
        select 'requests'
        from afterthought.requests r, erased
        where of_session is null and r.tenant = of_tenant and r.user_id = of_user and r.created_at <= erased.at
        union all
        select 'retractions'
        from afterthought.retractions r, erased
        where of_session is null and r.tenant = of_tenant and r.user_id = of_user and r.retracted_at <= erased.at
        union all
        select 'holds'
        from afterthought.holds h, erased
        where of_session is null and h.tenant = of_tenant and h.user_id = of_user and h.created_at <= erased.at
        union all
        select 'archive_objects'
        from afterthought.archive_objects o, erased
        where o.tenant = of_tenant and o.user_id = of_user and o.created_at <= erased.at
          and (of_session is null or exists (
              select from afterthought.sessions s where s.id = o.session_id and s.session = of_session
          ))
        union all
        select 'webhook_deliveries'
        from afterthought.webhook_deliveries d, erased
        where of_session is null and d.tenant = of_tenant and d.user_id = of_user and d.created_at <= erased.at
        -- What hangs off a session or a memory that is not there belongs to nobody; of whoever is not known any more.
        union all
        select t.layer
        from (
            select 'event_index' as layer, session_id from afterthought.event_index where tenant = of_tenant
            union all
            select 'memory_evidence', session_id from afterthought.memory_evidence where tenant = of_tenant
            union all
            select 'cursors', session_id from afterthought.agent_cursors where tenant = of_tenant
            union all
            select 'runs', session_id from afterthought.agent_runs where tenant = of_tenant
            union all
            select 'ledger', session_id from afterthought.ledger where tenant = of_tenant
            union all
            select 'snapshots', session_id from afterthought.snapshots where tenant = of_tenant
            union all
            select 'checkpoints', session_id from afterthought.checkpoints where tenant = of_tenant
            union all
            select 'operations', session_id from afterthought.operations where tenant = of_tenant
            union all
            select 'archive_objects', session_id from afterthought.archive_objects where tenant = of_tenant
        ) t
        where not exists (select from afterthought.sessions s where s.id = t.session_id)
        union all
        select t.layer
        from (
            select 'memory_index' as layer, memory_id from afterthought.memory_index where tenant = of_tenant
            union all
            select 'memory_words', memory_id from afterthought.memory_words where tenant = of_tenant
            union all
            select 'memory_marks', memory_id from afterthought.memory_marks where tenant = of_tenant
            union all
            select 'memory_versions', memory_id from afterthought.memory_versions where tenant = of_tenant
            union all
            select 'memory_access', memory_id from afterthought.memory_access where tenant = of_tenant
            union all
            select 'reviews', memory_id from afterthought.reviews where tenant = of_tenant
            union all
            select 'webhook_deliveries', memory_id from afterthought.webhook_deliveries
            where tenant = of_tenant and memory_id is not null
        ) t
        where not exists (select from afterthought.memories m where m.id = t.memory_id)
        union all
        select 'erasure without an end'
        from afterthought.erasures e
        where e.tenant = of_tenant and e.user_digest = afterthought.subject_digest(of_tenant, of_user)
          and e.completed_at is null
        union all
        select 'never erased' from erased where erased.at is null
    )
    select l.layer, count(*) from left_over l group by l.layer;
end;
