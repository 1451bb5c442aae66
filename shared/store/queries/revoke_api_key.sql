-- Revokes a key of a tenant; one that is revoked stays as it is. $1: the tenant, $2: the key, $3: now.
update afterthought.api_keys
set revoked_at = coalesce(revoked_at, $3)
where tenant = $1 and id = $2
returning id, tenant, name, hint, scopes, replaces, created_at, expires_at, revoked_at, last_used_at
