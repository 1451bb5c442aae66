-- A memory that waits for a person, or did, locked until it is decided. $1 memory.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.on_conflict, m.review_reason,
       m.version, m.status, m.session_id
from afterthought.memories m
where m.id = $1
for update of m
