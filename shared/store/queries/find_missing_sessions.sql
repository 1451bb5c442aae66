-- Those of these sessions that are not there. $1 sessions.
select asked.id as session_id
from unnest($1::uuid[]) as asked (id)
where not exists (select from afterthought.sessions s where s.id = asked.id)
