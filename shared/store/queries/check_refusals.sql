-- Fails when more was refused under the keys of a window's thoughts than was seen. Runs after new memories are inserted.
-- $1 tenant; $2 scopes, $3 whose, $4 types, $5 keys, $6 digests of the contents: one entry of each per thought; $7 seen.
select afterthought.expect_refusals($7, count(distinct r.memory_id))
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[]) as thought (scope, scope_id, type, key, wording)
join afterthought.reviews r
    on r.tenant = $1
    and r.scope = thought.scope and r.scope_id = thought.scope_id
    and r.type = thought.type and r.key = thought.key
    and (r.refuses = 'key' or (r.refuses is not null and r.wording = thought.wording))
