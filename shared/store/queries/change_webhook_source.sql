-- What a source is from now on; no row when it is not at that version any more.
-- $1 tenant, $2 source, $3 the version that was looked at, $4 name, $5 mapping, $6 secrets.
update afterthought.webhook_sources
set name = $4, mapping = $5, secrets = $6, version = version + 1, updated_at = now()
where tenant = $1 and id = $2 and version = $3
returning id, tenant, name, mapping, secrets, version, created_at, updated_at
