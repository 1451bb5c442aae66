-- Which of these events a user's sessions hold.
-- $1 tenant, $2 user, $3 names of sessions, $4 versions: one entry of each per event.
select event.position, v.session_id, v.version
from unnest($3::text[], $4::bigint[]) with ordinality as event (session, version, position)
join afterthought.sessions s on s.tenant = $1 and s.user_id = $2 and s.session = event.session
join afterthought.session_events v on v.session_id = s.id and v.version = event.version
