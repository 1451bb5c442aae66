-- Why: what recall hands out is counted, and counting neither delays an answer nor changes a memory.
--
-- A table of its own: a count is no change of the memory, so it must not raise `memories.version`, which would make the
-- memory-curator's closings lose, nor write a wide row and its index entries anew. Nothing here is indexed beside the key,
-- and the free space keeps every update on its page.
-- `memories.access_count` and `memories.last_accessed_at` were never written. They go with the release after this one.
create table afterthought.memory_access (
    memory_id uuid primary key references afterthought.memories on delete cascade,
    tenant text not null references afterthought.tenants,
    count bigint not null check (count > 0),
    last_at timestamptz not null
) with (fillfactor = 70);

alter table afterthought.memory_access enable row level security, force row level security;
create policy owner_all on afterthought.memory_access to current_user using (true) with check (true);
create policy agent_own on afterthought.memory_access to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update on afterthought.memory_access to afterthought_agent;
