-- What is in the archive is not searched. $1 session, $2 first version, $3 last.
delete from afterthought.event_index i
using afterthought.session_events v
where i.session_id = $1 and i.version between $2 and $3
  and v.session_id = $1 and v.version between $2 and $3 and v.version = i.version and v.archived_bytes is not null
