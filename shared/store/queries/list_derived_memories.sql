-- A memory, what it took the place of, and every memory of its user that says the same or quotes it, with what their
-- tombstones are made of. Words too few to be told by are quoted by nobody: 20 bytes, as `sentences` has it.
-- No row when the user has no such memory. $1 tenant, $2 user, $3 memory.
with recursive past (id) as (
    select m.id from afterthought.memories m where m.id = $3 and m.tenant = $1 and m.user_id = $2
    union
    select before.id
    from past
    join afterthought.memories before on before.superseded_by = past.id and before.user_id = $2
),
said as materialized (
    select afterthought.folded(m.content) as words from afterthought.memories m where m.id = (select id from past where id = $3)
),
found as (
    select id from past
    union
    select m.id
    from said
    join afterthought.memories m
        on m.tenant = $1 and (case when m.user_id is null then '' else m.user_id end) = $2
    cross join lateral (select afterthought.folded(m.content) as words) other
    where other.words = said.words
       or octet_length(said.words) >= 20 and position(' ' || said.words || ' ' in ' ' || other.words || ' ') > 0
)
select m.id, m.key, m.content
from found
join afterthought.memories m using (id)
order by m.id
