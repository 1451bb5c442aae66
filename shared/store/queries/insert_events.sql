-- Events of one session, in order. The triggers of the table find or make the session, lock it, give each event its version
-- and skip the repeat of an idempotency key, so that a skipped event has no row here.
-- $1 tenant, $2 user, $3 session; $4 types, $5 roles, $6 speakers, $7 contents, $8 payloads, $9 schema versions,
-- $10 idempotency keys, $11 when they happened, null for now: one per event.
insert into afterthought.session_events
    (tenant, user_id, session, event_type, role, speaker, content, metadata, schema_version, idempotency_key, occurred_at)
select $1, $2, $3, new.event_type, new.role, new.speaker, new.content, new.payload, new.schema_version,
       new.idempotency_key, coalesce(new.occurred_at, now())
from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::smallint[], $10::text[], $11::timestamptz[])
    with ordinality
    as new (event_type, role, speaker, content, payload, schema_version, idempotency_key, occurred_at, position)
order by new.position
returning session_id, version, idempotency_key
