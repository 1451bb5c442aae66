-- A user's sessions, the newest first, from a place in that order on.
-- $1 tenant, $2 user, $3 and $4 the creation time and id of the last one seen, null for the beginning, $5 at most,
-- $6 status, null for any.
select id, session, status, head_version, archived_through, metadata, created_at, last_event_at
from afterthought.sessions
where tenant = $1 and user_id = $2
  and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
  and ($6::text is null or status = $6)
order by created_at desc, id desc
limit $5
