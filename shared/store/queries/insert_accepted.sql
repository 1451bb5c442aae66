-- Events of sessions of one tenant that were accepted elsewhere, in order. The triggers of the table find or make each session,
-- give each event its version and skip the repeat of an idempotency key, so that a skipped event has no row here; events of
-- one session that stand together take their versions in one step. What had been accepted when its user or session was erased
-- is dropped.
-- $1 tenant; one per event: $2 users, $3 sessions, $4 types, $5 roles, $6 speakers, $7 contents, $8 payloads,
-- $9 schema versions, $10 idempotency keys, $11 when they happened, $12 when they were accepted.
insert into afterthought.session_events
    (tenant, user_id, session, event_type, role, speaker, content, metadata, schema_version, idempotency_key, occurred_at)
select $1, new.user_id, new.session, new.event_type, new.role, new.speaker, new.content, new.payload,
       new.schema_version, new.idempotency_key, new.occurred_at
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::smallint[],
            $10::text[], $11::timestamptz[], $12::timestamptz[])
    with ordinality
    as new (user_id, session, event_type, role, speaker, content, payload, schema_version, idempotency_key,
            occurred_at, accepted_at, position)
-- A value, not a join: it is looked up in the index for each event, however much a tenant has erased.
where new.accepted_at > coalesce((
    select max(e.erased_at)
    from afterthought.erasures e
    where e.tenant = $1 and e.user_digest = afterthought.subject_digest($1, new.user_id)
      and (e.subject = 'user'
           or e.subject = 'session'
              and e.subject_digest = afterthought.subject_digest($1, new.user_id, new.session))), '-infinity')
order by new.position
returning version
