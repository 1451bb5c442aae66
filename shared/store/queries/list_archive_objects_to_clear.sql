-- Objects that nothing stands for: given up, or of a writer that has ended. $1 tenant, $2 of writers that began before, $3 at most.
select id, session_id, first_version, last_version, events, checksum
from afterthought.archive_objects
where tenant = $1 and status <> 'stored' and (status = 'dropped' or created_at < $2)
order by created_at
limit $3
