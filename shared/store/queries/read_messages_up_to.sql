-- The last messages of a session among the thousand events up to a version, newest first. $1 session, $2 version, $3 at most.
select version, event_type, role, speaker, content, metadata, archived_bytes, occurred_at, created_at
from afterthought.session_events
where session_id = $1 and version <= $2 and version > $2 - 1000 and event_type = 'message'
order by version desc
limit $3
