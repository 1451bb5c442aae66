-- Tenants by name. $1: the name they come after, empty for the first, $2: how many at most.
select tenant, settings, version, created_at, updated_at
from afterthought.tenants
where tenant > $1
order by tenant
limit $2
