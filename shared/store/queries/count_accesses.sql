-- Adds to how often memories were handed out. One that is gone, or another tenant's, is left out.
-- $1 tenant; $2 ids, $3 how often, $4 when last: one of each per memory. In the order of the identifiers, so that two
-- batches about the same memories wait for each other instead of failing.
insert into afterthought.memory_access (memory_id, tenant, count, last_at)
select m.id, m.tenant, handed.count, handed.last_at
from unnest($2::uuid[], $3::bigint[], $4::timestamptz[]) as handed (id, count, last_at)
join afterthought.memories m on m.id = handed.id and m.tenant = $1
order by m.id
on conflict (memory_id) do update
set count = memory_access.count + excluded.count, last_at = greatest(memory_access.last_at, excluded.last_at)
