-- Changes settings of a tenant: each field given takes the place of the one there, null removes it; fields that are not given
-- stay, known or not. $1: the tenant, $2: the fields, $3: the version that is changed, null for any.
update afterthought.tenants
set settings = jsonb_strip_nulls(settings || $2)
where tenant = $1 and ($3::bigint is null or version = $3)
returning tenant, settings, version, created_at, updated_at
