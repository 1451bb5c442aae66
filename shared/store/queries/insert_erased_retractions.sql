-- That memories were deleted, by digests: what had been said by then does not teach them again.
-- $1 memories, $2 digests of their keys, $3 digests of their words: one of each per memory.
insert into afterthought.retractions (memory_id, tenant, user_id, scope, scope_id, type, key, wording, reason, held)
select m.id, m.tenant, m.user_id, m.scope, m.scope_id, m.type, gone.key, gone.wording, 'deleted', m.valid_to is null
from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as gone (id, key, wording)
join afterthought.memories m on m.id = gone.id
on conflict (memory_id) do update
    set key = excluded.key, wording = excluded.wording, reason = excluded.reason,
        held = retractions.held or excluded.held, retracted_at = excluded.retracted_at
