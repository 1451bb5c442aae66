-- Has a key of a tenant expire no later than at a moment, unless it is revoked or has expired. $1: the tenant, $2: the key,
-- $3: the moment, $4: now.
update afterthought.api_keys
set expires_at = least(expires_at, $3)
where tenant = $1 and id = $2 and revoked_at is null and (expires_at is null or expires_at > $4)
returning id, tenant, name, hint, hash, scopes, replaces, created_at, expires_at, revoked_at, last_used_at
