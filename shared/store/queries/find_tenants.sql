-- Which of these are tenants. $1 names.
select tenant from afterthought.tenants where tenant = any($1)
