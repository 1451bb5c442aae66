-- What was decided, with what had been proposed. Runs before the memory is changed.
-- $1 memory, $2 decision, $3 edited content, $4 edited data, $5 the memory it goes into, $6 what is refused from now on,
-- $7 digest of the refused words, $8 reviewer, $9 note.
insert into afterthought.reviews
    (memory_id, tenant, scope, scope_id, type, key, content, data, on_conflict, review_reason,
     decision, edited_content, edited_data, became, refuses, wording, reviewer, note)
select m.id, m.tenant, m.scope, m.scope_id, m.type, m.key, m.content, m.data, m.on_conflict, m.review_reason,
       $2, $3, $4, $5, $6, $7, $8, $9
from afterthought.memories m
where m.id = $1
returning decided_at
