-- Sessions of an erasure whose rows are left, locked, without those that somebody else is at. $1 erasure, $2 at most.
select session_id
from afterthought.erased_sessions
where erasure_id = $1 and not is_purged
order by session_id
limit $2
for update skip locked
