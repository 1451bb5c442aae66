-- A memory that is about to be changed, locked. $1 memory.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.valid_to, m.status, m.version,
       m.pinned, m.expires_at, m.session_id
from afterthought.memories m
where m.id = $1
for update
