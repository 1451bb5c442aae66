-- Current memories of a session, its user or its tenant, per type and scope the newest first.
-- $1 session, $2 types, $3 scopes, $4 limits: one entry of each per kind of memory asked for.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
from afterthought.sessions s
cross join unnest($2::text[], $3::text[], $4::bigint[]) as wanted (type, scope, most)
cross join lateral (
    select *
    from afterthought.memories m
    where m.tenant = s.tenant
      and m.scope = wanted.scope
      and m.scope_id = (case wanted.scope when 'session' then s.id::text when 'user' then s.user_id else '' end)
      and m.type = wanted.type
      and m.valid_to is null and m.status = 'active'
    order by m.updated_at desc, m.id
    limit wanted.most
) m
where s.id = $1
