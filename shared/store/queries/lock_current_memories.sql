-- The current memories that a window's thoughts are about, locked in one order.
-- $1 session, $2 scopes, $3 types, $4 keys: one entry of each per thought.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
from afterthought.sessions s
cross join (select distinct * from unnest($2::text[], $3::text[], $4::text[])) as thought (scope, type, key)
join afterthought.memories m
    on m.tenant = s.tenant
    and m.user_id is not distinct from (case when thought.scope = 'global' then null else s.user_id end)
    and m.scope = thought.scope
    and (case when m.scope = 'session' then m.session_id end) is not distinct from (case when thought.scope = 'session' then s.id end)
    and m.type = thought.type and m.key = thought.key
    and m.valid_to is null and m.status = 'active'
where s.id = $1
order by m.id
for update of m
