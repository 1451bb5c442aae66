-- Why: the append-only log every agent reads windows of, with a version that is gapless within a session.
--
-- A version is taken under the session's row lock, which is held until the transaction ends: versions become visible
-- in order, and a window (cursor, head] can never skip an event that commits late.

create table afterthought.session_events (
    session_id uuid not null,
    version bigint not null,
    tenant text not null default 'default',
    user_id text not null,
    session text not null,
    event_type text not null default 'message'
        check (event_type in ('message', 'tool_call', 'decision', 'observation', 'node_transition')),
    role text,
    speaker text,
    content text,
    metadata jsonb not null default '{}',
    schema_version smallint not null default 1,
    idempotency_key text,
    occurred_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    primary key (session_id, version)
);
comment on table afterthought.session_events is
    'Append-only. No foreign key to sessions: the trigger has just locked the row it would look up.';

create unique index session_events_idempotency on afterthought.session_events (session_id, idempotency_key)
    where idempotency_key is not null;
-- What was accepted lately, for the sweep: as small as a page per thousand rows, because time only goes forward.
create index session_events_created on afterthought.session_events using brin (created_at);

alter table afterthought.session_events enable row level security, force row level security;
create policy owner_all on afterthought.session_events to current_user using (true) with check (true);
create policy agent_own on afterthought.session_events for select to afterthought_agent
    using (tenant = afterthought.current_tenant());
create policy reader_positions on afterthought.session_events for select to afterthought_reader using (true);
grant select on afterthought.session_events to afterthought_agent;
grant select (session_id, version, tenant, created_at) on afterthought.session_events to afterthought_reader;

-- Bad input is refused by a trigger whose condition is all that a good row pays, and whose message names the column
-- without repeating what was said.
create function afterthought.refuse_event() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if new.event_type = 'message' and new.content is null then
        raise exception 'content is null, expected the text of the message'
            using errcode = 'not_null_violation', schema = 'afterthought', table = 'messages', column = 'content';
    elsif octet_length(new.content) > 262144 then
        raise exception 'content is % bytes, expected at most 262144', octet_length(new.content)
            using errcode = 'program_limit_exceeded', schema = 'afterthought', table = 'messages', column = 'content';
    elsif jsonb_typeof(new.metadata) is distinct from 'object' then
        raise exception 'metadata is %, expected a JSON object', coalesce(jsonb_typeof(new.metadata), 'null')
            using errcode = 'check_violation', schema = 'afterthought', table = 'messages', column = 'metadata';
    elsif new.version is not null then
        raise exception 'version is given, expected none: it is assigned'
            using errcode = 'check_violation', schema = 'afterthought', table = 'messages', column = 'version';
    end if;
    raise exception 'role is %, expected user, assistant, system or tool', coalesce(quote_literal(new.role), 'null')
        using errcode = 'check_violation', schema = 'afterthought', table = 'messages', column = 'role';
end
$$;

-- Gives each event its session and version.
--
-- A run of rows of one session takes its versions in one step: the first row locks the session and takes its head
-- (`open_session`), the others count on from there in a setting local to the transaction (`continue_session`), and the
-- head is written back once, when the run or the statement ends (`write_head`). The session stays open, and locked, until
-- the transaction ends. A local setting is undone with the savepoint or transaction that made it, so an error leaves
-- neither a gap nor a wrong head. A statement with one row costs one update.
--
-- The triggers of a row fire in the order of their names, each only when its condition holds.
--
--   afterthought.open         tenant, user and session of the open session; names hold no control characters
--   afterthought.open_id      its id
--   afterthought.open_head    the last version given to it
--   afterthought.open_written the head its row holds
create function afterthought.continue_session() returns trigger
language plpgsql
as $$
begin
    new.session_id := current_setting('afterthought.open_id');
    new.version :=
        set_config('afterthought.open_head', (current_setting('afterthought.open_head')::bigint + 1)::text, true);
    return new;
end
$$;

-- Sequential scans are off because a plan made while the table is new and empty would otherwise stay with a
-- connection while it grows.
create function afterthought.open_session() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    opened record;
begin
    if current_setting('afterthought.open_head', true) <> current_setting('afterthought.open_written', true) then
        perform afterthought.write_head();
    end if;
    update afterthought.sessions
    set head_version = head_version + 1, last_event_at = now()
    where tenant = new.tenant and user_id = new.user_id and session = new.session
    returning id, head_version, afterthought.remember_open(sessions) into opened;
    if not found then
        if not exists (select from afterthought.tenants where tenant = new.tenant) then
            raise exception 'tenant % is unknown: insert it into afterthought.tenants first',
                    coalesce(quote_literal(new.tenant), 'null')
                using errcode = 'foreign_key_violation', schema = 'afterthought', table = 'messages', column = 'tenant';
        end if;
        insert into afterthought.sessions (tenant, user_id, session, head_version)
        values (new.tenant, new.user_id, new.session, 1)
        on conflict (tenant, user_id, session) do update
            set head_version = sessions.head_version + 1, last_event_at = now()
        returning id, head_version, afterthought.remember_open(sessions) into opened;
    end if;
    new.session_id := opened.id;
    new.version := opened.head_version;
    return new;
end
$$;

-- Notes the session just locked as the open one.
create function afterthought.remember_open(opened afterthought.sessions) returns void
language sql
as $$
    select set_config('afterthought.open', opened.tenant || e'\x1f' || opened.user_id || e'\x1f' || opened.session, true),
           set_config('afterthought.open_id', opened.id::text, true),
           set_config('afterthought.open_head', opened.head_version::text, true),
           set_config('afterthought.open_written', opened.head_version::text, true);
$$;

-- Skips a repeat of an idempotency key and gives its version back; a repeat with other content is an error. The
-- session's lock is held, so two repeats cannot pass each other.
create function afterthought.skip_repeat() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    same_content boolean;
begin
    select e.event_type = new.event_type and e.role is not distinct from new.role
           and e.content is not distinct from new.content
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

-- Writes the head of the open session, which has moved since its row was written.
create function afterthought.write_head() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    update afterthought.sessions
    set head_version = current_setting('afterthought.open_head')::bigint
    where id = current_setting('afterthought.open_id')::uuid;
    select set_config('afterthought.open_written', current_setting('afterthought.open_head'), true);
$$;

create function afterthought.close_statement() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform afterthought.write_head();
    return null;
end
$$;

revoke execute on function afterthought.refuse_event, afterthought.continue_session, afterthought.open_session,
    afterthought.remember_open, afterthought.skip_repeat, afterthought.write_head, afterthought.close_statement
    from public;

create trigger a_refuse_event before insert on afterthought.session_events for each row
    when ((new.event_type = 'message'
           and (new.content is null or (new.role in ('user', 'assistant', 'system', 'tool')) is not true))
          or octet_length(new.content) > 262144
          or jsonb_typeof(new.metadata) is distinct from 'object'
          or new.version is not null)
    execute function afterthought.refuse_event();
create trigger b_continue_session before insert on afterthought.session_events for each row
    when (new.tenant || e'\x1f' || new.user_id || e'\x1f' || new.session = current_setting('afterthought.open', true))
    execute function afterthought.continue_session();
create trigger c_open_session before insert on afterthought.session_events for each row
    when (new.version is null)
    execute function afterthought.open_session();
create trigger d_skip_repeat before insert on afterthought.session_events for each row
    when (new.idempotency_key is not null)
    execute function afterthought.skip_repeat();
create trigger e_close_statement after insert on afterthought.session_events for each statement
    when (current_setting('afterthought.open_head', true) <> current_setting('afterthought.open_written', true))
    execute function afterthought.close_statement();

-- What an application sees: insert a tenant, a user, a session, a role and the content; the rest has defaults.
-- A plain view of one table, so inserts, returning and bulk inserts are Postgres's own.
create view afterthought.messages as
select tenant, user_id, session, role, content, speaker, occurred_at, idempotency_key, metadata, session_id, version
from afterthought.session_events
where event_type = 'message';

grant insert (tenant, user_id, session, role, content, speaker, occurred_at, idempotency_key, metadata),
      select (session_id, version)
    on afterthought.messages to afterthought_app;
