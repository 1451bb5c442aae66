-- Why: a user, a session or a memory can be erased from everything that is kept, and what has become old is cleared away.

-- Acts on one tenant at a time, like the agents' role: erases and clears away, and so may delete what agents may not.
do $$
begin
    if not exists (select from pg_roles where rolname = 'afterthought_keeper') then
        create role afterthought_keeper nologin;
    end if;
exception
    when duplicate_object or unique_violation then null;
end
$$;
grant usage on schema afterthought to afterthought_keeper;

-- By what a tombstone knows whom it is about: names hold no control characters, so that no two make the same digest.
create function afterthought.subject_digest(variadic names text[]) returns bytea
language sql immutable parallel safe
return sha256(convert_to(array_to_string(names, e'\x1f'), 'UTF8'));

-- What was erased: the tombstone, the work that is left, and the receipt. Whom it was about is known by digests alone once
-- the work is done; until then `names` holds what it takes to find the rest.
create table afterthought.erasures (
    id uuid primary key,
    tenant text not null references afterthought.tenants,
    subject text not null check (subject in ('user', 'session', 'memory')),
    user_digest bytea not null check (octet_length(user_digest) = 32),
    -- Of the user again, of the session, or of the memory.
    subject_digest bytea not null check (octet_length(subject_digest) = 32),
    names jsonb,
    -- How many rows and items there were of each layer.
    counts jsonb not null check (jsonb_typeof(counts) = 'object'),
    -- Nobody sees anything of it since this moment, and what had been accepted by then does not come back.
    erased_at timestamptz not null default clock_timestamp(),
    -- A transaction that had begun before the erasure ended may still have written something. Once none is left that had,
    -- the last look finds it.
    transaction pg_snapshot not null default pg_current_snapshot(),
    -- Since when no row is left, and since when nothing is, in any layer, and that was looked at.
    purged_at timestamptz,
    completed_at timestamptz,
    check ((completed_at is null) = (names is not null)),
    check (completed_at is null or purged_at is not null)
);
create index erasures_of_subject on afterthought.erasures (tenant, user_digest, subject_digest, erased_at);
create index erasures_listed on afterthought.erasures (tenant, erased_at, id);
create index erasures_open on afterthought.erasures (tenant, erased_at, id) where completed_at is null;

-- The sessions that are gone, by which the rest of what belonged to them is found.
create table afterthought.erased_sessions (
    erasure_id uuid not null references afterthought.erasures on delete cascade,
    session_id uuid not null,
    tenant text not null,
    -- Whether no row of it is left.
    is_purged boolean not null default false,
    primary key (erasure_id, session_id)
);
-- No sample of these goes into the statistics, where it would outlive them.
alter table afterthought.erasures alter column names set statistics 0;
alter table afterthought.erased_sessions alter column session_id set statistics 0;
create index erased_sessions_to_purge on afterthought.erased_sessions (erasure_id, session_id) where not is_purged;

-- Until when a session's user, or the session alone, was erased: what had been accepted by then must not be stored. Null
-- when neither ever was.
create function afterthought.erased_at(of_tenant text, of_user text, of_session text) returns timestamptz
language sql stable parallel safe
begin atomic
    select max(e.erased_at)
    from afterthought.erasures e
    where e.tenant = of_tenant and e.user_digest = afterthought.subject_digest(of_tenant, of_user)
      and e.subject_digest in (
          afterthought.subject_digest(of_tenant, of_user), afterthought.subject_digest(of_tenant, of_user, of_session)
      );
end;

-- Keeps an erasure of any of these users waiting until this transaction ends, and waits for one that is under way. Whoever
-- stores what was accepted earlier calls it before it asks `erased_at`, so that nothing slips in between.
create function afterthought.hold_off_erasures(of_tenants text[], of_users text[]) returns void
language sql volatile
begin atomic
    select pg_advisory_xact_lock_shared(hashtextextended(u.tenant || e'\x1f' || u.user_id, 15))
    from (
        select distinct tenant, user_id
        from unnest(of_tenants, of_users) as u (tenant, user_id)
        order by tenant, user_id
    ) u;
end;

alter table afterthought.erasures enable row level security, force row level security;
create policy owner_all on afterthought.erasures to current_user using (true) with check (true);
create policy agent_own on afterthought.erasures for select to afterthought_agent
    using (tenant = afterthought.current_tenant());
alter table afterthought.erased_sessions enable row level security, force row level security;
create policy owner_all on afterthought.erased_sessions to current_user using (true) with check (true);
create policy agent_own on afterthought.erased_sessions for select to afterthought_agent
    using (tenant = afterthought.current_tenant());
grant select on afterthought.erasures, afterthought.erased_sessions to afterthought_agent;

do $$
declare
    table_name text;
begin
    foreach table_name in array array[
        'sessions', 'profiles', 'session_events', 'memories', 'memory_evidence', 'event_index', 'agent_cursors', 'agent_runs',
        'ledger', 'holds', 'reviews', 'memory_marks', 'requests', 'retractions', 'memory_versions', 'memory_access',
        'memory_index', 'memory_words', 'memory_totals', 'snapshots', 'checkpoints', 'operations', 'erasures',
        'erased_sessions'
    ] loop
        execute format(
            'create policy keeper_own on afterthought.%I to afterthought_keeper '
            'using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant())',
            table_name);
        execute format('grant select, delete on afterthought.%I to afterthought_keeper', table_name);
        -- Since Postgres 17 a role may be allowed to vacuum what is another's; before that it is left to autovacuum.
        if current_setting('server_version_num')::int >= 170000 then
            execute format('grant maintain on afterthought.%I to afterthought_keeper', table_name);
        end if;
    end loop;
end
$$;
-- A tombstone stays.
revoke delete on afterthought.erasures from afterthought_keeper;
-- Which tenants there are, their periods, and when what had become old was cleared away last.
alter table afterthought.tenants add column tidied_at timestamptz;
create policy keeper_reads on afterthought.tenants for select to afterthought_keeper using (true);
create policy keeper_tidies on afterthought.tenants for update to afterthought_keeper
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, update (tidied_at) on afterthought.tenants to afterthought_keeper;

-- The tenants in which there is something to do: an erasure that is not complete, or nothing cleared away since a time;
-- those that have waited longest first. It sees all tenants and tells nothing else of them.
create function afterthought.tenants_to_tidy(tidied_before timestamptz)
returns table (tenant text, is_due boolean, has_erasures boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select t.tenant, coalesce(t.tidied_at < tidied_before, true) as is_due, o.tenant is not null as has_erasures
    from afterthought.tenants t
    left join (select distinct e.tenant from afterthought.erasures e where e.completed_at is null) o
        on o.tenant = t.tenant
    where o.tenant is not null or coalesce(t.tidied_at < tidied_before, true)
    order by t.tidied_at nulls first, t.tenant;
end;
revoke execute on function afterthought.tenants_to_tidy from public;
grant execute on function afterthought.tenants_to_tidy to afterthought_keeper;

-- What stays is told apart from what goes: other evidence, no evidence, another successor, no words.
-- Of a session nothing is changed: locking one takes the right to.
grant update (status) on afterthought.sessions to afterthought_keeper;
grant update (session_id, superseded_by) on afterthought.memories to afterthought_keeper;
grant update (content, data, edited_content, edited_data) on afterthought.reviews to afterthought_keeper;
grant update (content, metadata) on afterthought.session_events to afterthought_keeper;
grant insert, update (through, generation, updated_at) on afterthought.agent_cursors to afterthought_keeper;
grant insert, update on afterthought.retractions to afterthought_keeper;
grant insert, update on afterthought.memory_totals to afterthought_keeper;
grant insert, update on afterthought.memory_index, afterthought.memory_words to afterthought_keeper;
grant insert, update on afterthought.erasures, afterthought.erased_sessions to afterthought_keeper;

-- Deleting a memory looks for the reviews that went into it.
create index reviews_became on afterthought.reviews (became) where became is not null;
-- A user's own, in every scope, without reading the tenant's.
create index retractions_of_user on afterthought.retractions (tenant, user_id) where user_id is not null;

-- What is left of a user, or of one of their sessions, that was there by the time of their last erasure: no row when
-- nothing is. Reads every table from end to end: a look by whoever wants to be sure, not a part of any request. Run it as
-- the owner, or as a member of afterthought_keeper with the tenant named.
create function afterthought.verify_erasure(of_tenant text, of_user text, of_session text default null)
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
