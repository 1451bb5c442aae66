-- What is active in a session, the most recent first: current entities that its last events are evidence of, and every
-- action that is still open.
-- $1 session, $2 how many of the last events count, $3 at most this many of each.
with own as materialized (
    select id, tenant, head_version from afterthought.sessions where id = $1
),
seen as materialized (
    select v.memory_id, max(v.version) as last_seen
    from afterthought.memory_evidence v
    where v.session_id = (select id from own) and v.version > (select head_version from own) - $2
    group by v.memory_id
),
found as (
    select m.*, seen.last_seen
    from seen join afterthought.memories m on m.id = seen.memory_id
    where m.type in ('entity', 'action') and m.valid_to is null and m.status = 'active'
    union all
    select m.*, 0
    from afterthought.memories m
    where m.tenant = (select tenant from own) and m.scope = 'session' and m.scope_id = (select id::text from own)
      and m.type = 'action' and m.valid_to is null and m.status = 'active'
      and not exists (select from seen where seen.memory_id = m.id)
)
select id, type, scope, key, content, data, confidence, valid_from
from (
    select *, row_number() over (partition by type order by last_seen desc, updated_at desc, id) as place
    from found
    where type = 'entity' or coalesce(data ->> 'status', 'open') = 'open'
) ranked
where place <= $3
order by last_seen desc, updated_at desc, id
