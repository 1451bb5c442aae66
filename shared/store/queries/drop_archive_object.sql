-- An object that was given up. $1 id.
update afterthought.archive_objects set status = 'dropped' where id = $1 and status = 'writing'
