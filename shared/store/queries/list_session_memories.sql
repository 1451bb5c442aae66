-- The current summary of a session, and the entities and actions that its last events are evidence of.
-- $1 tenant, $2 user, $3 session name or null for the one active last, $4 how many of the last events count,
-- $5 at most this many entities and actions. The session is a scalar, so that everything of it is read by index.
with own as materialized (
    select id, head_version from afterthought.sessions
    where tenant = $1 and user_id = $2 and ($3::text is null or session = $3)
    order by last_event_at desc, id
    limit 1
)
(
    select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
    from afterthought.memories m
    where m.tenant = $1 and m.scope = 'session' and m.scope_id = (select id::text from own) and m.type = 'summary'
      and m.valid_to is null and m.status = 'active'
    order by m.updated_at desc
    limit 1
)
union all
(
    select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
    from (
        select v.memory_id, max(v.version) as last_seen
        from afterthought.memory_evidence v
        where v.session_id = (select id from own) and v.version > (select head_version from own) - $4
        group by v.memory_id
    ) seen
    join afterthought.memories m on m.id = seen.memory_id
    where m.type in ('entity', 'action') and m.valid_to is null and m.status = 'active'
    order by seen.last_seen desc, m.id
    limit $5
)
