-- The memory that holds now in the place of another one, or is that one. $1 the other one.
select m.id
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
