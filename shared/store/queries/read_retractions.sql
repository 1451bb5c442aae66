-- What was corrected or deleted under the keys of a window's thoughts, or in their words.
-- $1 tenant; $2 scopes, $3 whose, $4 types, $5 digests of the keys, $6 digests of the contents: one entry of each per thought.
select distinct r.memory_id, r.scope, r.type, r.key, r.wording, r.held, r.retracted_at
from unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[]) as thought (scope, scope_id, type, key, wording)
join afterthought.retractions r
    on r.tenant = $1
    and r.scope = thought.scope and r.scope_id = thought.scope_id
    and r.type = thought.type
    and (r.key = thought.key or r.wording = thought.wording)
