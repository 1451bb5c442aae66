-- Who has spoken lately in a user's sessions: the last fifty events of each of the ten sessions active last.
-- $1 tenant, $2 user.
select distinct e.speaker
from (
    select id from afterthought.sessions
    where tenant = $1 and user_id = $2
    order by last_event_at desc
    limit 10
) s
cross join lateral (
    select speaker from afterthought.session_events
    where session_id = s.id
    order by version desc
    limit 50
) e
where e.speaker is not null
