-- Who has spoken lately in a user's sessions. $1 tenant, $2 user.
select distinct e.speaker
from (
    select id, head_version from afterthought.sessions
    where tenant = $1 and user_id = $2
    order by last_event_at desc
    limit 10
) s
join afterthought.session_events e on e.session_id = s.id and e.version > s.head_version - 50
where e.speaker is not null
