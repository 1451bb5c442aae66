-- The events each memory came from.
-- $1 tenant, $2 session, $3 memories, $4 versions: one entry of each per pair.
insert into afterthought.memory_evidence (tenant, session_id, memory_id, version)
select $1, $2, pair.memory_id, pair.version
from unnest($3::uuid[], $4::bigint[]) as pair (memory_id, version)
on conflict do nothing
