-- What was replaced by a memory that goes points to what that one was replaced by, or to nothing. $1 memories that go.
with recursive next (id, by) as (
    select m.id, m.superseded_by from afterthought.memories m where m.id = any($1::uuid[])
    union all
    select n.id, m.superseded_by
    from next n
    join afterthought.memories m on m.id = n.by
    where n.by = any($1::uuid[])
)
update afterthought.memories m
set superseded_by = n.by
from next n
where m.superseded_by = n.id and not m.id = any($1::uuid[]) and (n.by is null or not n.by = any($1::uuid[]))
