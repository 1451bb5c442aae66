-- When events that thoughts name outside their window were accepted; nothing of a user of whom nothing was retracted.
-- $1 tenant, $2 user, $3 sessions, $4 versions: one entry of each per event.
select v.session_id, v.version, v.created_at
from unnest($3::uuid[], $4::bigint[]) as event (session_id, version)
join afterthought.session_events v on v.session_id = event.session_id and v.version = event.version
where exists (select from afterthought.retractions r where r.tenant = $1 and r.user_id = $2)
