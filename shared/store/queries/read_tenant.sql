-- A tenant. $1: its name.
select tenant, settings, version, created_at, updated_at from afterthought.tenants where tenant = $1
