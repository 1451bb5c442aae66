-- A session that is still old, locked: nothing happens in it and nothing of it comes back meanwhile.
-- $1 session, $2 since. No row when something happened in it or came back since then, or when it was erased.
select id, head_version
from afterthought.sessions
where id = $1 and last_event_at < $2 and coalesce(restored_at < $2, true)
for no key update
