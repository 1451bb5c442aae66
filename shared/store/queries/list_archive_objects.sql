-- What stands for events of a session, in their order. $1 tenant, $2 session, $3 at most.
select id, session_id, first_version, last_version, events, checksum
from afterthought.archive_objects
where tenant = $1 and session_id = $2 and status = 'stored'
order by first_version
limit $3
