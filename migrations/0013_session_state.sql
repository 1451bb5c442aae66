-- Why: an application's own long-running agents go on where they were: from snapshots of what a session's log comes to, from
-- checkpoints of their own state, and with what they had begun and not ended.

-- What the log of a session comes to at every thousandth event. Each can be made again from the log.
create table afterthought.snapshots (
    session_id uuid not null references afterthought.sessions on delete cascade,
    version bigint not null check (version > 0),
    tenant text not null,
    schema_version smallint not null check (schema_version > 0),
    state jsonb not null check (jsonb_typeof(state) = 'object'),
    created_at timestamptz not null default now(),
    primary key (session_id, version)
);

-- States that applications saved, each with a checksum that covers its parent's. A state is stored whole, or as a patch of
-- its parent's: then the rows from `whole` to its own are what it is made of, and none of them may go before it.
-- Text, not jsonb, so that what is summed is what is stored.
create table afterthought.checkpoints (
    session_id uuid not null references afterthought.sessions on delete cascade,
    sequence bigint not null check (sequence > 0),
    tenant text not null,
    node_id text not null check (octet_length(node_id) between 1 and 200),
    parent bigint,
    parent_checksum bytea,
    -- The session's last event that is in the state.
    through bigint not null check (through >= 0),
    -- Which form the state has, by the application's own count.
    schema_version smallint not null check (schema_version > 0),
    state text,
    patch text,
    whole bigint not null,
    -- By how many patches it is away from that one, and how many bytes they and the whole state have.
    patches smallint not null check (patches >= 0),
    chain_bytes integer not null,
    state_bytes integer not null,
    checksum bytea not null,
    created_at timestamptz not null default now(),
    primary key (session_id, sequence)
);
comment on table afterthought.checkpoints is
    'Nothing about a row is checked here that its checksum covers: a row that was changed is to be found, not to be refused.';

-- What an application has begun, written before it is done, so that it is known after a crash.
create table afterthought.operations (
    session_id uuid not null references afterthought.sessions on delete cascade,
    -- Goes up by one within the session, in the order of beginning.
    id bigint not null check (id > 0),
    tenant text not null,
    name text not null check (octet_length(name) between 1 and 200),
    input jsonb not null,
    key text check (octet_length(key) between 1 and 255),
    status text not null default 'pending' check (status in ('pending', 'completed', 'failed')),
    -- Which try it is: whoever ends an operation says of which try it speaks.
    attempt integer not null default 1 check (attempt > 0),
    -- Until when nobody else begins the same; after that, whoever has it is taken for dead.
    lease_until timestamptz not null,
    result jsonb,
    error text check (octet_length(error) <= 4096),
    begun_at timestamptz not null default now(),
    ended_at timestamptz,
    primary key (session_id, id),
    check ((status = 'pending') = (ended_at is null))
);
create unique index operations_key on afterthought.operations (session_id, key) where key is not null;
create index operations_pending on afterthought.operations (session_id, id) where status = 'pending';

alter table afterthought.snapshots enable row level security, force row level security;
create policy owner_all on afterthought.snapshots to current_user using (true) with check (true);
create policy agent_own on afterthought.snapshots to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, delete on afterthought.snapshots to afterthought_agent;

alter table afterthought.checkpoints enable row level security, force row level security;
create policy owner_all on afterthought.checkpoints to current_user using (true) with check (true);
create policy agent_own on afterthought.checkpoints to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update, delete on afterthought.checkpoints to afterthought_agent;

alter table afterthought.operations enable row level security, force row level security;
create policy owner_all on afterthought.operations to current_user using (true) with check (true);
create policy agent_own on afterthought.operations to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update, delete on afterthought.operations to afterthought_agent;

-- A session may begin with a checkpoint or an operation. One without events is no recent conversation.
grant insert (tenant, user_id, session, last_event_at) on afterthought.sessions to afterthought_agent;
