-- How far the look for objects that no row names has come. $1 tenant.
select archive_swept_through from afterthought.tenants where tenant = $1
