-- A tenant's sources, by name; or one of them.
-- $1 tenant, $2 the source, null for all.
select id, tenant, name, mapping, secrets, version, created_at, updated_at
from afterthought.webhook_sources
where tenant = $1 and ($2::uuid is null or id = $2)
order by name
