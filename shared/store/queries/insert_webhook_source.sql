-- A new source; no row when the tenant has one of that name.
-- $1 tenant, $2 name, $3 mapping, $4 secrets.
insert into afterthought.webhook_sources (tenant, name, mapping, secrets)
values ($1, $2, $3, $4)
on conflict (tenant, name) do nothing
returning id, tenant, name, mapping, secrets, version, created_at, updated_at
