-- Why: how far each agent has thought, what each run did, and what became of every thought.

-- `through` is the last version of the session this agent has thought about; it only moves with the memories.
create table afterthought.agent_cursors (
    session_id uuid not null references afterthought.sessions on delete cascade,
    agent text not null,
    tenant text not null,
    through bigint not null check (through >= 0),
    updated_at timestamptz not null default now(),
    primary key (session_id, agent)
) with (fillfactor = 80);

create table afterthought.agent_runs (
    id uuid primary key,
    tenant text not null,
    agent text not null,
    session_id uuid not null references afterthought.sessions on delete cascade,
    after_version bigint not null,
    through_version bigint not null check (through_version > after_version),
    outcome text not null check (outcome in ('done', 'degraded', 'quarantined')),
    model text not null,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    deferrals integer not null default 0,
    error text,
    first_sent_at timestamptz not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default now()
);
create index agent_runs_of_session on afterthought.agent_runs (session_id, agent, through_version);

-- One line per thought of a run. No text: the memory holds it, and a dropped thought leaves only its reason.
create table afterthought.ledger (
    run_id uuid not null references afterthought.agent_runs on delete cascade,
    position integer not null,
    tenant text not null,
    session_id uuid not null,
    agent text not null,
    type text not null,
    outcome text not null check (outcome in ('stored', 'merged', 'superseded', 'dropped')),
    memory_id uuid,
    reason text,
    evidence bigint[] not null,
    primary key (run_id, position),
    check ((outcome = 'dropped') = (memory_id is null)),
    check ((outcome = 'dropped') = (reason is not null))
);
create index ledger_of_session on afterthought.ledger (session_id, agent);

do $$
declare
    table_name text;
begin
    foreach table_name in array array['agent_cursors', 'agent_runs', 'ledger'] loop
        execute format('alter table afterthought.%I enable row level security, force row level security', table_name);
        execute format('create policy owner_all on afterthought.%I to current_user using (true) with check (true)', table_name);
        execute format(
            'create policy agent_own on afterthought.%I to afterthought_agent '
            'using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant())',
            table_name);
    end loop;
end
$$;
grant select, insert, update on afterthought.agent_cursors to afterthought_agent;
grant select, insert on afterthought.agent_runs, afterthought.ledger to afterthought_agent;

create policy reader_positions on afterthought.agent_cursors for select to afterthought_reader using (true);
grant select (session_id, agent, through) on afterthought.agent_cursors to afterthought_reader;
