-- New memories of one window.
-- $1 tenant, $2 user, $3 session, $4 agent, $5 model;
-- $6 ids, $7 scopes, $8 types, $9 keys, $10 contents, $11 data, $12 confidences, $13 valid from: one per memory.
insert into afterthought.memories
    (tenant, user_id, session_id, agent, model, id, scope, type, key, content, data, confidence, valid_from)
select $1, case when new.scope = 'global' then null else $2 end, $3, $4, $5, new.*
from unnest($6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::real[], $13::timestamptz[])
    as new (id, scope, type, key, content, data, confidence, valid_from)
