-- Memories that are to be closed, those that take their places, and those that are said again elsewhere, locked in one order.
-- $1 tenant, $2 user, $3 identifiers.
select m.id, m.version, m.pinned
from afterthought.memories m
where m.id = any($3) and m.tenant = $1 and m.user_id = $2 and m.valid_to is null and m.status = 'active'
order by m.id
for update
