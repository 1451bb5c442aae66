-- What memories said before they were changed, of those that have not been changed for long.
-- $1 tenant, $2 changed last before, $3 at most, $4 whether only to count.
with old as materialized (
    select v.memory_id, v.version
    from afterthought.memory_versions v
    join afterthought.memories m on m.id = v.memory_id
    where v.tenant = $1 and m.updated_at < $2
    limit $3
),
gone as (
    delete from afterthought.memory_versions v
    using old
    where not $4 and v.memory_id = old.memory_id and v.version = old.version
)
select count(*) as rows from old
