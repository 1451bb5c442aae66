-- $1 tidied before.
select t.tenant, t.is_due, t.has_erasures, s.settings
from afterthought.tenants_to_tidy($1) t
join afterthought.tenants s on s.tenant = t.tenant
