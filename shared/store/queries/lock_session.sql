-- A session by its name, locked against whoever else changes what belongs to it.
-- $1 tenant, $2 user, $3 session.
select id, head_version
from afterthought.sessions
where tenant = $1 and user_id = $2 and session = $3
for no key update
