-- Gives events back what they held. $1 session, $2 lines of an object.
update afterthought.session_events v
set content = l.line ->> 'content', metadata = l.line -> 'metadata', archived_bytes = null, archived_digest = null
from (select line::jsonb as line from unnest($2::text[]) as line) l
where v.session_id = $1 and v.version = (l.line ->> 'version')::bigint and v.archived_bytes is not null
