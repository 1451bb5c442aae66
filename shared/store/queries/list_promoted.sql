-- Memories of a session that an application wants every session of the user to have, or what holds in their places, each
-- with the events it came from. $1 tenant, $2 session, $3 identifiers.
with recursive chain (asked, id, step) as (
    select m.id, m.id, 0
    from afterthought.memories m
    where m.id = any($3) and m.tenant = $1 and m.scope = 'session' and m.session_id = $2
    union
    select c.asked, m.superseded_by, c.step + 1
    from chain c join afterthought.memories m on m.id = c.id
    where m.superseded_by is not null and c.step < 1000
)
select c.asked, m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.version, found.sessions, found.versions
from chain c
join afterthought.memories m on m.id = c.id
cross join lateral (
    select array_agg(e.session_id order by e.session_id, e.version) as sessions,
           array_agg(e.version order by e.session_id, e.version) as versions
    from afterthought.memory_evidence e
    where e.memory_id = m.id
) found
where m.valid_to is null and m.status = 'active' and m.scope = 'session' and m.session_id = $2
  and (m.expires_at is null or m.expires_at > now())
order by m.id
