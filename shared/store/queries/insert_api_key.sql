-- Adds a key of a tenant, unless it has as many as it may have that are not revoked. $1: its id, $2: the tenant, $3: its
-- name, $4: how it begins, $5: its hash, $6: its scopes, $7: the key it replaces, $8: when it is made, $9: when it expires,
-- $10: how many keys a tenant has at most.
insert into afterthought.api_keys (id, tenant, name, hint, hash, scopes, replaces, created_at, expires_at)
select $1, $2, $3, $4, $5, $6, $7, $8, $9
where (select count(*) from afterthought.api_keys where tenant = $2 and revoked_at is null) < $10
returning id, tenant, name, hint, scopes, replaces, created_at, expires_at, revoked_at, last_used_at
