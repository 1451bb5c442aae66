-- The memories that wait for a person under the keys of a window's thoughts, locked in one order. Before the current
-- ones: a decision locks in this order too, so whoever waits here sees everything the decision did.
-- $1 tenant; $2 scopes, $3 whose, $4 types, $5 keys: one entry of each per thought.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.on_conflict, m.review_reason
from (select distinct * from unnest($2::text[], $3::text[], $4::text[], $5::text[])) as thought (scope, scope_id, type, key)
join afterthought.memories m
    on m.tenant = $1
    and m.scope = thought.scope and m.scope_id = thought.scope_id
    and m.type = thought.type and m.key = thought.key
    and m.status = 'pending_review'
order by m.id
for update of m
