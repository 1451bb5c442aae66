-- How many of a user's events are in the archive, where they are not searched. $1 tenant, $2 user.
select coalesce(sum(events), 0)::bigint as events
from afterthought.archive_objects
where tenant = $1 and user_id = $2 and status = 'stored'
