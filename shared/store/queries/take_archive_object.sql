-- From here on nothing stands for the events but themselves, and the object is to be deleted. $1 id. No row when somebody else
-- has done so.
update afterthought.archive_objects set status = 'dropped' where id = $1 and status = 'stored' returning id
