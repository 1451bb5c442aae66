-- What a person did not let pass under the keys of a window's thoughts, the latest first.
-- $1 tenant; $2 scopes, $3 whose, $4 types, $5 keys, $6 digests of the contents: one entry of each per thought.
select r.scope, r.type, r.key, r.content, r.data, r.refuses, r.became
from afterthought.reviews r
where r.memory_id in (
    select r.memory_id
    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[]) as thought (scope, scope_id, type, key, wording)
    join afterthought.reviews r
        on r.tenant = $1
        and r.scope = thought.scope and r.scope_id = thought.scope_id
        and r.type = thought.type and r.key = thought.key
        and (r.refuses = 'key' or (r.refuses is not null and r.wording = thought.wording))
)
order by r.decided_at desc, r.memory_id
