-- The current memory under the key of the one that waits, locked. $1 the one that waits.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.session_id
from afterthought.memories p
join afterthought.memories m
    on m.tenant = p.tenant
    and m.scope = p.scope and m.scope_id = p.scope_id
    and m.type = p.type and m.key = p.key
    and m.valid_to is null and m.status = 'active'
where p.id = $1 and m.id <> p.id
for update of m
