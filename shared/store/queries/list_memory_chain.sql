-- What a memory took the place of, and what took its place in turn: at most fifty steps each way, the oldest first.
-- $1 tenant, $2 user, $3 memory.
with recursive before (id, step) as (
    select m.id, 1 from afterthought.memories m where m.superseded_by = $3
    union
    select m.id, b.step + 1 from before b join afterthought.memories m on m.superseded_by = b.id where b.step < 50
),
after (id, step) as (
    select m.superseded_by, 1 from afterthought.memories m where m.id = $3 and m.superseded_by is not null
    union
    select m.superseded_by, a.step + 1
    from after a join afterthought.memories m on m.id = a.id
    where m.superseded_by is not null and a.step < 50
),
chain as (
    select id, -step as step from before
    union all
    select id, step from after
)
select chain.step, m.id, m.content, m.status, m.valid_from, m.valid_to, m.expires_at
from chain
join afterthought.memories m on m.id = chain.id
where m.tenant = $1 and (m.user_id = $2 or m.scope = 'global') and m.status in ('active', 'deleted')
order by chain.step, m.valid_from, m.id
limit 100
