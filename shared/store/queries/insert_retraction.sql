-- Writes down that a memory was corrected or deleted. One that was corrected, and is deleted from the history afterwards, stays
-- corrected.
-- $1 memory, $2 digest of its key, $3 digest of its content, $4 which of the two.
insert into afterthought.retractions (memory_id, tenant, user_id, scope, scope_id, type, key, wording, reason, held)
select m.id, m.tenant, m.user_id, m.scope, m.scope_id, m.type, $2, $3, $4, $4 = 'corrected' or m.valid_to is null
from afterthought.memories m
where m.id = $1
on conflict (memory_id) do update
    set key = excluded.key, wording = excluded.wording, reason = excluded.reason, held = excluded.held,
        retracted_at = excluded.retracted_at
    where excluded.held or not retractions.held
