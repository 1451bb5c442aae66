-- The keys of a tenant, the newest first: all that are not revoked, and the 100 that were revoked last. $1: the tenant.
(select id, tenant, name, hint, scopes, replaces, created_at, expires_at, revoked_at, last_used_at
 from afterthought.api_keys
 where tenant = $1 and revoked_at is null)
union all
(select id, tenant, name, hint, scopes, replaces, created_at, expires_at, revoked_at, last_used_at
 from afterthought.api_keys
 where tenant = $1 and revoked_at is not null
 order by revoked_at desc
 limit 100)
order by created_at desc, id
