-- What is known of a user whatever the session, the surest and freshest first: confidence halves in thirty days.
-- $1 tenant, $2 user, $3 at most.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, found.sessions, found.versions
from (
    select * from afterthought.memories
    where tenant = $1 and scope = 'user' and scope_id = $2 and valid_to is null and status = 'active'
      and (expires_at is null or expires_at > now())
    order by confidence * exp(-ln(2) * extract(epoch from now() - updated_at) / (30 * 86400)) desc, id
    limit $3
) m
cross join lateral (
    select array_agg(s.session order by s.session, v.version) as sessions,
           array_agg(v.version order by s.session, v.version) as versions
    from afterthought.memory_evidence v
    join afterthought.sessions s on s.id = v.session_id and s.user_id = $2
    where v.memory_id = m.id
) found
order by m.confidence * exp(-ln(2) * extract(epoch from now() - m.updated_at) / (30 * 86400)) desc, m.id
