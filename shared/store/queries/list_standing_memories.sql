-- What is known in a scope whatever the session, the surest and freshest first: confidence halves in thirty days.
-- $1 tenant, $2 user, $3 scope, $4 what the scope is of, $5 at most, $6 how many pieces of evidence to bring, which is told
-- only where it comes from this user.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.valid_to, m.pinned, m.updated_at,
       coalesce(a.count, 0) as accesses, a.last_at as accessed_at, found.sessions, found.versions, found.events
from (
    select * from afterthought.memories
    where tenant = $1 and scope = $3 and scope_id = $4 and valid_to is null and status = 'active'
      and (expires_at is null or expires_at > now())
    order by confidence * exp(-ln(2) * extract(epoch from now() - updated_at) / (30 * 86400)) desc, id
    limit $5
) m
left join afterthought.memory_access a on a.memory_id = m.id
cross join lateral (
    select (array_agg(e.session order by e.session, e.version))[:$6] as sessions,
           (array_agg(e.version order by e.session, e.version))[:$6] as versions, count(*) as events
    from (
        select s.session, v.version
        from afterthought.memory_evidence v
        join afterthought.sessions s on s.id = v.session_id and s.user_id = $2
        where v.memory_id = m.id
        limit 1000
    ) e
) found
order by m.confidence * exp(-ln(2) * extract(epoch from now() - m.updated_at) / (30 * 86400)) desc, m.id
