-- New memories of one window. An identifier says where a memory comes from: a row that has it already is the same memory. One that has a reason to be reviewed waits for a person.
-- What replaces a pinned one, which is closed by then, is pinned too.
-- $1 tenant, $2 user, $3 session, $4 agent, $5 model;
-- $6 ids, $7 scopes, $8 types, $9 keys, $10 contents, $11 data, $12 confidences, $13 valid from, $14 what approval does,
-- $15 reasons for review, $16 until when, $17 replaced by: one per memory; $14 and $15 null for one that needs no review,
-- $16 and $17 for one that is not history already.
insert into afterthought.memories
    (tenant, user_id, session_id, agent, model, status,
     created_at, pinned, id, scope, type, key, content, data, confidence, valid_from, on_conflict, review_reason, valid_to,
     superseded_by)
select $1, case when new.scope = 'global' then null else $2 end, $3, $4, $5,
       case when new.review_reason is null then 'active' else 'pending_review' end,
       -- Not earlier than the session, which may have been made when this transaction had waited for an erasure.
       greatest(now(), (select s.created_at from afterthought.sessions s where s.id = $3)),
       exists (select from afterthought.memories old where old.superseded_by = new.id and old.pinned), new.*
from unnest($6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::real[], $13::timestamptz[],
            $14::text[], $15::text[], $16::timestamptz[], $17::uuid[])
    as new (id, scope, type, key, content, data, confidence, valid_from, on_conflict, review_reason, valid_to,
            superseded_by)
on conflict (id) do nothing
