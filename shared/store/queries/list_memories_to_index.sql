-- Memories of a session's user that have no embedding yet: new ones, and those whose content has changed.
-- $1 session, $2 at most. The index on memories without embedding is as small as the work that waits.
select m.id, m.version, m.content
from afterthought.sessions own
join afterthought.sessions s on s.tenant = own.tenant and s.user_id = own.user_id
join afterthought.memories m on m.session_id = s.id
where own.id = $1 and m.embedding is null and m.status = 'active'
order by m.id
limit $2
