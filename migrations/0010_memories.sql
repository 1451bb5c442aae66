-- Why: applications list, correct and delete what is remembered, and what they corrected or deleted is not learned again.

-- What was corrected or deleted. Of what it said there are only digests: they outlive the memory, because the events it was
-- learned from do too. A thought about the same thing, or in the same words, is dropped while every event it comes from had
-- been accepted by `retracted_at`.
create table afterthought.retractions (
    memory_id uuid primary key,
    tenant text not null references afterthought.tenants,
    user_id text,
    scope text not null,
    scope_id text not null,
    type text not null,
    key bytea not null check (octet_length(key) = 32),
    wording bytea not null check (octet_length(wording) = 32),
    reason text not null check (reason in ('corrected', 'deleted')),
    retracted_at timestamptz not null default now()
);
comment on column afterthought.retractions.wording is 'SHA-256 of the content, blanks folded and in lower case.';
create index retractions_by_key on afterthought.retractions (tenant, scope, scope_id, type, key);
create index retractions_by_wording on afterthought.retractions (tenant, scope, scope_id, type, wording);

-- What a memory said before it was changed in place, so that a correction made from an older version can be merged with
-- what was learned since: a row for the last version that said so.
create table afterthought.memory_versions (
    memory_id uuid not null references afterthought.memories on delete cascade,
    version bigint not null,
    tenant text not null,
    content text not null,
    data jsonb not null,
    primary key (memory_id, version)
);

create function afterthought.keep_memory_version() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    insert into afterthought.memory_versions (memory_id, version, tenant, content, data)
    values (old.id, old.version, old.tenant, old.content, old.data)
    on conflict do nothing;
    return null;
end
$$;
create trigger memories_versioned after update of content, data on afterthought.memories
    for each row
    when (old.status = 'active' and (new.content is distinct from old.content or new.data is distinct from old.data))
    execute function afterthought.keep_memory_version();

-- A user's memories of a type, newest first, and everybody's, which have no user (`case`, because under row-level security
-- `coalesce` may not use an index); what took the place of what.
create index memories_listed
    on afterthought.memories (tenant, (case when user_id is null then '' else user_id end), type, created_at, id);
create index memories_replaced on afterthought.memories (superseded_by) where superseded_by is not null;

do $$
declare
    table_name text;
begin
    foreach table_name in array array['retractions', 'memory_versions'] loop
        execute format('alter table afterthought.%I enable row level security, force row level security', table_name);
        execute format('create policy owner_all on afterthought.%I to current_user using (true) with check (true)', table_name);
        execute format(
            'create policy agent_own on afterthought.%I to afterthought_agent '
            'using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant())',
            table_name);
    end loop;
end
$$;
grant select, insert, update, delete on afterthought.retractions to afterthought_agent;
grant select, insert on afterthought.memory_versions to afterthought_agent;
