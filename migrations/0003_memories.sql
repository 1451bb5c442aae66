-- Why: what the agents learned, each memory with the events it came from, the time it holds for, and what replaced it.

create table afterthought.memories (
    id uuid primary key,
    tenant text not null references afterthought.tenants,
    user_id text,
    session_id uuid,
    scope text not null check (scope in ('session', 'user', 'global')),
    -- Whose the scope is: the session's id, the user's, or '' for everybody's.
    scope_id text not null generated always as
        (case scope when 'session' then session_id::text when 'user' then user_id else '' end) stored,
    type text not null
        check (type in ('summary', 'entity', 'action', 'sentiment', 'pattern', 'preference', 'fact')),
    key text not null check (octet_length(key) between 1 and 512),
    content text not null check (octet_length(content) between 1 and 8192),
    data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
    confidence real not null check (confidence between 0 and 1),
    agent text not null,
    model text not null,
    status text not null default 'active' check (status in ('active', 'pending_review', 'rejected', 'deleted')),
    pinned boolean not null default false,
    version bigint not null default 1,
    valid_from timestamptz not null,
    valid_to timestamptz,
    superseded_by uuid references afterthought.memories deferrable initially deferred,
    access_count bigint not null default 0,
    last_accessed_at timestamptz,
    expires_at timestamptz,
    embedding halfvec,
    embedding_model text,
    terms tsvector generated always as (to_tsvector('english', content)) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (valid_to >= valid_from),
    check ((embedding is null) = (embedding_model is null)),
    check ((scope = 'global') = (user_id is null)),
    check (scope <> 'session' or session_id is not null)
);

-- At most one current memory about one thing: what two sessions learn at the same time meets here.
create unique index memories_current on afterthought.memories (tenant, scope, scope_id, type, key)
    where valid_to is null and status = 'active';
create index memories_of_session on afterthought.memories (session_id) where session_id is not null;
create index memories_to_embed on afterthought.memories (session_id) where embedding is null;
create index memories_terms on afterthought.memories using gin (terms);

create table afterthought.memory_evidence (
    memory_id uuid not null references afterthought.memories on delete cascade,
    session_id uuid not null,
    version bigint not null,
    tenant text not null,
    primary key (memory_id, session_id, version),
    foreign key (session_id, version) references afterthought.session_events
);
create index memory_evidence_of_event on afterthought.memory_evidence (session_id, version);

-- What recall searches of the events. Kept apart from the log, so that an application's insert pays for none of it
-- and the log stays append-only.
create table afterthought.event_index (
    session_id uuid not null,
    version bigint not null,
    tenant text not null,
    user_id text not null,
    embedding halfvec not null,
    embedding_model text not null,
    terms tsvector not null,
    primary key (session_id, version),
    foreign key (session_id, version) references afterthought.session_events
);
create index event_index_of_user on afterthought.event_index (tenant, user_id);
create index event_index_terms on afterthought.event_index using gin (terms);

alter table afterthought.memories enable row level security, force row level security;
create policy owner_all on afterthought.memories to current_user using (true) with check (true);
create policy agent_own on afterthought.memories to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update on afterthought.memories to afterthought_agent;

alter table afterthought.memory_evidence enable row level security, force row level security;
create policy owner_all on afterthought.memory_evidence to current_user using (true) with check (true);
create policy agent_own on afterthought.memory_evidence to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert on afterthought.memory_evidence to afterthought_agent;

alter table afterthought.event_index enable row level security, force row level security;
create policy owner_all on afterthought.event_index to current_user using (true) with check (true);
create policy agent_own on afterthought.event_index to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update on afterthought.event_index to afterthought_agent;
