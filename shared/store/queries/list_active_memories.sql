-- What is active in a session: current entities and actions that its last events are evidence of, the most recent first.
-- $1 session, $2 how many of the last events count, $3 at most this many of each.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from
from (
    select v.memory_id, max(v.version) as last_seen
    from afterthought.memory_evidence v
    where v.session_id = $1
      and v.version > (select head_version from afterthought.sessions where id = $1) - $2
    group by v.memory_id
) seen
join afterthought.memories m on m.id = seen.memory_id
where m.type in ('entity', 'action') and m.valid_to is null and m.status = 'active'
order by seen.last_seen desc, m.id
limit $3
