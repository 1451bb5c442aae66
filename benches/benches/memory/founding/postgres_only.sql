-- Everything in Postgres, as the founding document has it: events with a vector, an HNSW index over all agents, and the
-- working memory as a document per agent.
create extension vector;

create table working_memory (
    agent_id varchar(128) primary key,
    state jsonb not null,
    expires_at timestamptz not null
);

create table memory_events (
    event_id bigserial primary key,
    agent_id varchar(128) not null,
    event_type varchar(64) not null,
    payload jsonb not null,
    embedding vector($dimensions),
    idempotency_key uuid not null default gen_random_uuid(),
    created_at timestamptz default now(),
    constraint uq_memory_event unique (idempotency_key)
);
create index idx_memory_embedding on memory_events using hnsw (embedding vector_cosine_ops)
    with (m = 16, ef_construction = 128);
create index idx_memory_agent_id on memory_events (agent_id);
