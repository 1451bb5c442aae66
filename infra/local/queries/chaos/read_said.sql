-- What every session holds, in its order.
select user_id, session, array_agg(coalesce(content, '') order by version) as contents
from afterthought.session_events
group by user_id, session
