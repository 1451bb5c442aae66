-- A session of every user who has memories that wait to be embedded, unchanged since before $1; at most $2.
select tenant, session_id
from afterthought.memories_behind($1, $2)
