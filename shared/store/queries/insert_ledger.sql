-- What became of each thought of a run, in the thoughts' order.
-- $1 run, $2 tenant, $3 session, $4 agent; $5 outcomes, $6 types, $7 memories, $8 reasons, $9 evidence as text[]
-- of bigint[] literals (Postgres has no arrays of arrays of differing length): one per thought.
insert into afterthought.ledger
    (run_id, tenant, session_id, agent, position, outcome, type, memory_id, reason, evidence)
select $1, $2, $3, $4, entry.position, entry.outcome, entry.type, entry.memory_id, entry.reason, entry.evidence::bigint[]
from unnest($5::text[], $6::text[], $7::uuid[], $8::text[], $9::text[]) with ordinality
    as entry (outcome, type, memory_id, reason, evidence, position)
