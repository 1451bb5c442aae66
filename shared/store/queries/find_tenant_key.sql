-- One key of a tenant with its hash. $1: the tenant, $2: the key.
select id, tenant, name, hint, hash, scopes, replaces, created_at, expires_at, revoked_at, last_used_at
from afterthought.api_keys
where tenant = $1 and id = $2
