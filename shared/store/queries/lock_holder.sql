-- The memory that holds now in the place of another one, or is that one, locked. After lock_memory, as a statement of its
-- own, so that it sees what that waited for. $1 the other one.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.valid_to, m.status, m.version,
       m.pinned, m.expires_at, m.session_id
from afterthought.memories m
where m.id = (
        with recursive chain (id, step) as (
            select $1::uuid, 0
            union
            select p.superseded_by, c.step + 1
            from chain c join afterthought.memories p on p.id = c.id
            where p.superseded_by is not null and c.step < 1000
        )
        select id from chain order by step desc limit 1
    )
  and m.valid_to is null and m.status = 'active'
for update of m
