-- $1 tenant, $2 when.
update afterthought.tenants set tidied_at = $2 where tenant = $1
