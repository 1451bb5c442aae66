-- Why: whoever runs the agents can hold them, call them off and send them back, and sees what became of every event.

-- Acts on all tenants, for whoever runs the deployment: positions, runs, ledger and holds, never content. As in 0001,
-- another database may be creating the role at this moment.
do $$
begin
    if not exists (select from pg_roles where rolname = 'afterthought_operator') then
        create role afterthought_operator nologin;
    end if;
exception
    when duplicate_object or unique_violation then null;
end
$$;
grant usage on schema afterthought to afterthought_operator;

-- What agents are not to think about for now. Each of tenant, agent, user and session that is given must match, so a
-- row with none of them holds everything. A hold has ended once `until` has passed; the sweep wakes what it held and
-- deletes it. Its id changes when it is renewed, so that an ended one is never mistaken for its successor.
create table afterthought.holds (
    id uuid primary key default gen_random_uuid(),
    tenant text references afterthought.tenants,
    agent text check (octet_length(agent) between 1 and 200),
    user_id text check (octet_length(user_id) between 1 and 200),
    session_id uuid references afterthought.sessions on delete cascade,
    reason text not null check (reason in ('pause', 'budget', 'sleep')),
    until timestamptz,
    created_at timestamptz not null default now(),
    -- In this order it is also the index that `holds_on` looks in.
    unique nulls not distinct (session_id, tenant, user_id, agent, reason)
);
create index holds_ending on afterthought.holds (until) where until is not null;

-- The holds on one agent in one session: what "held" means, in one place. Plain enough for Postgres to inline, so it
-- comes to two or three look-ups, under the caller's own rights.
create function afterthought.holds_on(tenant text, user_id text, session_id uuid, agent text)
returns setof afterthought.holds
language sql stable parallel safe
as $$
    select h.*
    from afterthought.holds h
    where (h.session_id = holds_on.session_id
           or h.session_id is null and h.tenant = holds_on.tenant
           or h.session_id is null and h.tenant is null)
      and (h.tenant is null or h.tenant = holds_on.tenant)
      and (h.user_id is null or h.user_id = holds_on.user_id)
      and (h.agent is null or h.agent = holds_on.agent)
      and (h.until is null or h.until > now())
$$;

alter table afterthought.holds enable row level security, force row level security;
create policy owner_all on afterthought.holds to current_user using (true) with check (true);
create policy agent_own on afterthought.holds to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
create policy agent_everybodys on afterthought.holds for select to afterthought_agent using (tenant is null);
create policy reader_positions on afterthought.holds for select to afterthought_reader using (true);
create policy reader_ended on afterthought.holds for delete to afterthought_reader using (until <= now());
create policy operator_all on afterthought.holds to afterthought_operator using (true) with check (true);
grant select, insert, update (id, until) on afterthought.holds to afterthought_agent;
grant select, delete on afterthought.holds to afterthought_reader;
grant select, insert, delete, update (id, until) on afterthought.holds to afterthought_operator;
-- A hold may be on a user, and the sweep must not wake what is held.
grant select (user_id) on afterthought.sessions to afterthought_reader;

-- How often the agent was sent back. A run compares it with the cursor, so one that began before loses.
alter table afterthought.agent_cursors add column generation bigint not null default 0 check (generation >= 0);

-- `error` says what went wrong with a quarantined window, or what a degraded run did without. A quarantined run is open
-- until `redriven_by` is set: to the run that thought about its window again, or to its own id when a replay covered it.
alter table afterthought.agent_runs
    drop constraint agent_runs_outcome_check,
    add constraint agent_runs_outcome_check check (outcome in ('done', 'degraded', 'quarantined', 'cancelled')),
    add column redriven_by uuid,
    add column redrives uuid,
    add check (redriven_by is null or outcome = 'quarantined'),
    add check (redrives is null or outcome in ('done', 'degraded'));
-- Lists of runs, newest first; the tokens of a tenant's day.
create index agent_runs_finished on afterthought.agent_runs (finished_at, id);
create index agent_runs_of_tenant on afterthought.agent_runs (tenant, finished_at, id);
create index agent_runs_not_done on afterthought.agent_runs (outcome, finished_at, id) where outcome <> 'done';
create index agent_runs_open on afterthought.agent_runs (finished_at, id)
    where outcome = 'quarantined' and redriven_by is null;
-- A redrive closes the run it repeats; one that fails again renews it.
grant update (redriven_by, error, input_tokens, output_tokens, finished_at) on afterthought.agent_runs
    to afterthought_agent;

do $$
declare
    table_name text;
begin
    foreach table_name in array array['sessions', 'session_events', 'ledger'] loop
        execute format(
            'create policy operator_all on afterthought.%I for select to afterthought_operator using (true)', table_name);
    end loop;
    foreach table_name in array array['agent_cursors', 'agent_runs'] loop
        execute format(
            'create policy operator_all on afterthought.%I to afterthought_operator using (true) with check (true)',
            table_name);
    end loop;
end
$$;
grant select (id, tenant, user_id, session, status, head_version, created_at, last_event_at) on afterthought.sessions
    to afterthought_operator;
grant select (session_id, version, tenant, created_at) on afterthought.session_events to afterthought_operator;
grant select on afterthought.ledger, afterthought.agent_runs, afterthought.agent_cursors to afterthought_operator;
grant insert, update (through, generation, updated_at) on afterthought.agent_cursors to afterthought_operator;
grant insert, update (redriven_by) on afterthought.agent_runs to afterthought_operator;
