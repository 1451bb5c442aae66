-- The latest events a memory came from, oldest first, with what was said, each cut to $3 characters.
-- $1 memory, $2 at most, $3 characters.
select session, version, role, speaker, content, is_cut, occurred_at, events, session_id, archived_bytes
from (
    select s.session, e.version, e.role, e.speaker, left(e.content, $3) as content,
           char_length(e.content) > $3 as is_cut, e.occurred_at, e.session_id, e.archived_bytes, count(*) over () as events
    from afterthought.memory_evidence v
    join afterthought.session_events e on e.session_id = v.session_id and e.version = v.version
    join afterthought.sessions s on s.id = v.session_id
    where v.memory_id = $1
    order by e.occurred_at desc, e.session_id, e.version desc
    limit $2
) latest
order by occurred_at, session_id, version
