-- $1 tenant, $2 the key of the last object that was looked at, null when it was the last of all.
update afterthought.tenants set archive_swept_through = $2 where tenant = $1
