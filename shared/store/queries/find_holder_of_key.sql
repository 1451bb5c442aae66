-- The memory that holds now under the key of another one and is not that one. $1 the other one.
select m.id
from afterthought.memories p
join afterthought.memories m
    on m.tenant = p.tenant
    and m.scope = p.scope and m.scope_id = p.scope_id
    and m.type = p.type and m.key = p.key
    and m.valid_to is null and m.status = 'active'
where p.id = $1 and m.id <> p.id
