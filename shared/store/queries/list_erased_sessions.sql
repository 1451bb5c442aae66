-- The sessions that an erasure is about. $1 tenant, $2 user, $3 session or null for all, $4 made by then, null for any.
select id, session
from afterthought.sessions
where tenant = $1 and user_id = $2 and ($3::text is null or session = $3)
  and created_at <= coalesce($4::timestamptz, 'infinity')
order by id
