-- A memory that a user may see, with the latest events it came from, oldest first. What waits for a person or was refused
-- is not among them.
-- $1 tenant, $2 user, $3 memory, $4 at most this many events.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.valid_to, m.status, m.pinned,
       m.version, m.superseded_by, m.expires_at, m.agent, m.model, m.created_at, m.updated_at, s.session,
       coalesce(a.count, 0) as access_count, a.last_at as last_accessed_at, found.sessions, found.versions, found.events
from afterthought.memories m
left join afterthought.sessions s on s.id = m.session_id and s.user_id = $2
left join afterthought.memory_access a on a.memory_id = m.id
cross join lateral (
    select array_agg(latest.session order by latest.occurred_at, latest.session, latest.version) as sessions,
           array_agg(latest.version order by latest.occurred_at, latest.session, latest.version) as versions,
           max(latest.events) as events
    from (
        select es.session, v.version, v.occurred_at, count(*) over () as events
        from afterthought.memory_evidence e
        join afterthought.session_events v on v.session_id = e.session_id and v.version = e.version
        join afterthought.sessions es on es.id = e.session_id and es.user_id = $2
        where e.memory_id = m.id
        order by v.occurred_at desc, es.session desc, v.version desc
        limit $4
    ) latest
) found
where m.id = $3 and m.tenant = $1 and (m.user_id = $2 or m.scope = 'global') and m.status in ('active', 'deleted')
