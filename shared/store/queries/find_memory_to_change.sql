-- A memory that an application is about to change, as it is before the change locks it: nothing here ever changes but its
-- status and interval. $1 tenant, $2 user, $3 memory.
select m.id, m.scope, m.status, m.version, m.valid_to, m.superseded_by is not null as is_replaced,
       s.session, now() as at
from afterthought.memories m
left join afterthought.sessions s on s.id = m.session_id
where m.id = $3 and m.tenant = $1 and (m.user_id = $2 or m.scope = 'global')
  and m.status in ('active', 'deleted', 'pending_review')
