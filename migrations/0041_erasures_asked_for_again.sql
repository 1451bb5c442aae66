-- Why: what was accepted before an erasure that was asked for again came back, what an agent carried along of an erased session was
-- overlooked, and what began anew while an erasure was under way was taken for what had been there before.

-- When an erasure was asked for first, where it was asked for again while it was open: `erased_at` is the last time.
alter table afterthought.erasures add column asked_at timestamptz;

-- As in 0032: an erasure is as old as the first time it was asked for.
create or replace function afterthought.open_erasures() returns table (tenant text, open bigint, oldest timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select e.tenant, count(*), min(coalesce(e.asked_at, e.erased_at))
    from afterthought.erasures e
    where e.completed_at is null
    group by e.tenant;
end;

-- The sessions by whose identifiers an agent carries something along in a memory's data, as the sentiment-analyzer does, each with the
-- last event of it that is named there. What looks otherwise names none.
create function afterthought.carried_sessions(data jsonb) returns table (session_id uuid, version bigint)
language sql immutable parallel safe rows 10
begin atomic
    select case when c.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then c.key::uuid end,
           (select max(v.value::bigint)
            from jsonb_path_query(c.value, '$.*.*.version ? (@.type() == "number" && @ > 0 && @ < 1000000000000000)') as v (value))
    from jsonb_each(case when jsonb_typeof(data -> 'carried') = 'object' then data -> 'carried' else '{}' end) as c (key, value)
    where c.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
end;

-- As in 0036, with the sessions that agents carry along.
create or replace function afterthought.verify_erased_rows(of_tenant text, of_user text, of_session text default null)
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
    old_sessions as materialized (
        select s.id
        from afterthought.sessions s, erased
        where s.tenant = of_tenant and s.user_id = of_user and (of_session is null or s.session = of_session)
          and s.created_at <= erased.at
    ),
    left_over as (
        select 'sessions' as layer from old_sessions
        union all
        select 'events'
        from afterthought.session_events e, erased
        where e.tenant = of_tenant and e.user_id = of_user and (of_session is null or e.session = of_session)
          and e.created_at <= erased.at
        union all
        -- The user's; of one of those sessions, by whom it was made or by what it comes from; or of one that is not there.
        select 'memories'
        from afterthought.memories m, erased
        where m.tenant = of_tenant
          and (of_session is null and m.user_id = of_user and m.created_at <= erased.at
               or m.session_id in (select o.id from old_sessions o)
               or m.id in (
                   select e.memory_id from afterthought.memory_evidence e join old_sessions o on o.id = e.session_id
               )
               or m.session_id is not null
                  and not exists (select from afterthought.sessions s where s.id = m.session_id)
               -- What an agent carries along names sessions too; only what the sentiment-analyzer does surely names no other things.
               or exists (
                   select from afterthought.carried_sessions(m.data) c
                   where c.session_id in (select o.id from old_sessions o)
                      or m.type = 'sentiment' and m.agent <> 'application'
                         and not exists (select from afterthought.sessions s where s.id = c.session_id)
               ))
        union all
        select 'profiles'
        from afterthought.profiles p, erased
        where of_session is null and p.tenant = of_tenant and p.user_id = of_user and p.last_active_at <= erased.at
        union all
        -- An answer names a session by its identifier; what looks like one may be a name.
        select 'requests'
        from afterthought.requests r, erased
        where r.tenant = of_tenant and r.user_id = of_user
          and (of_session is null and r.created_at <= erased.at
               or r.answer ->> 'session' in (select o.id::text from old_sessions o)
               or r.answer ->> 'session' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                  and not exists (
                      select from afterthought.sessions s
                      where s.tenant = of_tenant and s.user_id = of_user
                        and r.answer ->> 'session' in (s.id::text, s.session)
                  ))
        union all
        select 'retractions'
        from afterthought.retractions r, erased
        where r.tenant = of_tenant
          and (of_session is null and r.user_id = of_user and r.retracted_at <= erased.at
               or r.scope = 'session' and r.scope_id in (select o.id::text from old_sessions o)
               or r.scope = 'session'
                  and not exists (select from afterthought.sessions s where s.id::text = r.scope_id))
        union all
        select 'holds'
        from afterthought.holds h, erased
        where of_session is null and h.tenant = of_tenant and h.user_id = of_user and h.created_at <= erased.at
           or h.session_id in (select o.id from old_sessions o)
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
        where d.tenant = of_tenant and d.user_id = of_user and d.created_at <= erased.at
          and (of_session is null or d.payload #>> '{data,session}' = of_session)
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
            select 'holds', session_id from afterthought.holds where tenant = of_tenant and session_id is not null
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

-- A session is made when it is written, not when the transaction began: whoever has waited for an erasure makes a new one, which is
-- later than the erasure. And no event is earlier than its session.
--
--   afterthought.open_since   when the open session was made, in microseconds since 1970, where that is after this transaction began
alter table afterthought.sessions alter column created_at set default clock_timestamp();

-- As in 0002, with that.
create or replace function afterthought.continue_session() returns trigger
language plpgsql
as $$
begin
    new.session_id := current_setting('afterthought.open_id');
    new.version :=
        set_config('afterthought.open_head', (current_setting('afterthought.open_head')::bigint + 1)::text, true);
    if current_setting('afterthought.open_since', true) <> '' and new.created_at = now() then
        new.created_at :=
            timestamptz 'epoch' + current_setting('afterthought.open_since')::bigint * interval '1 microsecond';
    end if;
    return new;
end
$$;

create or replace function afterthought.open_session() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    opened record;
    moment timestamptz;
begin
    if current_setting('afterthought.open_head', true) <> current_setting('afterthought.open_written', true) then
        perform afterthought.write_head();
    end if;
    update afterthought.sessions
    set head_version = head_version + 1, last_event_at = greatest(now(), created_at)
    where tenant = new.tenant and user_id = new.user_id and session = new.session
    returning id, head_version, created_at, afterthought.remember_open(sessions) into opened;
    if not found then
        if not exists (select from afterthought.tenants where tenant = new.tenant) then
            raise exception 'tenant % is unknown: insert it into afterthought.tenants first',
                    coalesce(quote_literal(new.tenant), 'null')
                using errcode = 'foreign_key_violation', schema = 'afterthought', table = 'messages', column = 'tenant';
        end if;
        moment := clock_timestamp();
        insert into afterthought.sessions (tenant, user_id, session, head_version, created_at, last_event_at)
        values (new.tenant, new.user_id, new.session, 1, moment, moment)
        on conflict (tenant, user_id, session) do update
            set head_version = sessions.head_version + 1, last_event_at = greatest(now(), sessions.created_at)
        returning id, head_version, created_at, afterthought.remember_open(sessions) into opened;
    end if;
    new.session_id := opened.id;
    new.version := opened.head_version;
    if new.created_at = now() then
        new.created_at := greatest(new.created_at, opened.created_at);
    end if;
    return new;
end
$$;

-- As in 0029, with that.
create or replace function afterthought.remember_open(opened afterthought.sessions) returns void
language sql
as $$
    select set_config('afterthought.open', opened.tenant || e'\x1f' || opened.user_id || e'\x1f' || opened.session, true),
           set_config('afterthought.open_id', opened.id::text, true),
           set_config('afterthought.open_head', opened.head_version::text, true),
           set_config('afterthought.open_written', opened.head_version::text, true),
           set_config('afterthought.open_guard', coalesce((
               select nullif((t.settings -> 'guard')::text, 'null') from afterthought.tenants t where t.tenant = opened.tenant), ''), true),
           set_config('afterthought.open_since',
                      case when opened.created_at > now()
                           then (extract(epoch from opened.created_at) * 1000000)::bigint::text
                           else '' end, true);
$$;
