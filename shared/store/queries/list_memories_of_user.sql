-- What is known of a user and in the sessions of theirs, the user's own and the newest first, each with the events it
-- came from.
-- $1 tenant, $2 user, $3 at most, $4 bytes of words and data together, but at least one.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.version, m.agent, m.session_id,
       m.pinned, coalesce(a.count, 0) as access_count, a.last_at as last_accessed_at, m.created_at, m.updated_at,
       found.sessions, found.versions, found.times
from (
    select sized.*
    from (
        select m.*, row_number() over ranked as position,
               sum(octet_length(m.content) + octet_length(m.data::text)) over ranked as bytes
        from (
            select * from afterthought.memories
            where tenant = $1 and user_id = $2 and valid_to is null and status = 'active'
              and (expires_at is null or expires_at > now())
            order by scope = 'user' desc, updated_at desc, id
            limit $3
        ) m
        window ranked as (order by m.scope = 'user' desc, m.updated_at desc, m.id)
    ) sized
    where sized.bytes <= $4 or sized.position = 1
) m
left join afterthought.memory_access a on a.memory_id = m.id
cross join lateral (
    select array_agg(v.session_id order by v.occurred_at, v.session_id, v.version) as sessions,
           array_agg(v.version order by v.occurred_at, v.session_id, v.version) as versions,
           array_agg(v.occurred_at order by v.occurred_at, v.session_id, v.version) as times
    from afterthought.memory_evidence e
    join afterthought.session_events v on v.session_id = e.session_id and v.version = e.version
    where e.memory_id = m.id
) found
order by m.scope = 'user' desc, m.updated_at desc, m.id
