-- The current summary of a session, the entities that its last events are evidence of, every action still open, and what else
-- is known in its scope, the surest and freshest first, as in list_standing_memories; `part` says which.
-- $1 tenant, $2 user; $3, $4 and $5 which session, as in session_going_on; $6 how many of the last events count, $7 at most
-- this many entities, and this many actions, $8 at most this many others. The session is a scalar, so that everything of
-- it is read by index.
with own as materialized (
    select id, head_version from afterthought.session_going_on($1, $2, $3, $4, $5)
),
seen as materialized (
    select v.memory_id, max(v.version) as last_seen
    from afterthought.memory_evidence v
    where v.session_id = (select id from own) and v.version > (select head_version from own) - $6
    group by v.memory_id
)
(
    select 'summary' as part, m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
    from afterthought.memories m
    where m.tenant = $1 and m.scope = 'session' and m.scope_id = (select id::text from own) and m.type = 'summary'
      and m.valid_to is null and m.status = 'active' and (m.expires_at is null or m.expires_at > now())
    order by m.updated_at desc
    limit 1
)
union all
(
    select 'active', id, type, scope, key, content, data, confidence, valid_from
    from (
        select *, row_number() over (partition by type order by last_seen desc, updated_at desc, id) as place
        from (
            select m.*, seen.last_seen
            from seen join afterthought.memories m on m.id = seen.memory_id
            where m.type in ('entity', 'action') and m.valid_to is null and m.status = 'active'
              and (m.expires_at is null or m.expires_at > now())
            union all
            select m.*, 0
            from afterthought.memories m
            where m.tenant = $1 and m.scope = 'session' and m.scope_id = (select id::text from own)
              and m.type = 'action' and m.valid_to is null and m.status = 'active'
              and (m.expires_at is null or m.expires_at > now())
              and not exists (select from seen where seen.memory_id = m.id)
        ) found
        where type = 'entity' or coalesce(data ->> 'status', 'open') = 'open'
    ) ranked
    where place <= $7
    order by last_seen desc, updated_at desc, id
)
union all
(
    select 'kept', m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
    from afterthought.memories m
    where m.tenant = $1 and m.scope = 'session' and m.scope_id = (select id::text from own)
      and m.type not in ('summary', 'action') and m.valid_to is null and m.status = 'active'
      and (m.expires_at is null or m.expires_at > now())
      and not (m.type = 'entity' and exists (select from seen where seen.memory_id = m.id))
    order by m.confidence * exp(-ln(2) * extract(epoch from now() - m.updated_at) / (30 * 86400)) desc, m.id
    limit $8
)
