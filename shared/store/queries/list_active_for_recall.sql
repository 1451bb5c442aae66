-- What is active in a session: current entities and actions that its last events are evidence of, the most recent first.
-- $1 session, $2 how many of the last events count, $3 at most this many of each.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
from (
    select v.memory_id, max(v.version) as last_seen
    from afterthought.sessions s
    join afterthought.memory_evidence v on v.session_id = s.id and v.version > s.head_version - $2
    where s.id = $1
    group by v.memory_id
) seen
join lateral (
    select * from afterthought.memories m
    where m.id = seen.memory_id and m.type in ('entity', 'action') and m.valid_to is null and m.status = 'active'
) m on true
order by seen.last_seen desc, m.id
limit $3
