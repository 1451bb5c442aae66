-- Objects that are gone. $1 ids.
delete from afterthought.archive_objects where id = any($1::uuid[])
