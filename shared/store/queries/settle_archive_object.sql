-- From here on the object stands for the events. $1 id. No row when it was given up meanwhile.
update afterthought.archive_objects set status = 'stored' where id = $1 and status = 'writing' returning id
