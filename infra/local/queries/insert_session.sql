-- Inserts the turns of one session in their order; those whose key is there already are skipped by the view's trigger.
-- $1 tenant, $2 user, $3 session, then one array per column.
insert into afterthought.messages
    (tenant, user_id, session, role, content, speaker, occurred_at, idempotency_key)
select $1, $2, $3, turn.role, turn.content, turn.speaker, coalesce(turn.occurred_at, now()), turn.idempotency_key
from unnest($4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
    with ordinality as turn (role, content, speaker, occurred_at, idempotency_key, position)
order by turn.position
