-- Objects of the sessions of an erasure. $1 erasure, $2 at most.
select o.id, o.session_id, o.first_version, o.last_version, o.events, o.checksum
from afterthought.erased_sessions d
join afterthought.archive_objects o on o.session_id = d.session_id
where d.erasure_id = $1
order by o.id
limit $2
