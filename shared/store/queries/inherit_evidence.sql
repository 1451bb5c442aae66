-- Carries the evidence of a continued memory over to the one that continues it.
-- $1 from, $2 to: one entry of each per pair.
insert into afterthought.memory_evidence (tenant, session_id, memory_id, version)
select e.tenant, e.session_id, pair.heir, e.version
from unnest($1::uuid[], $2::uuid[]) as pair (ancestor, heir)
join afterthought.memory_evidence e on e.memory_id = pair.ancestor
on conflict do nothing
