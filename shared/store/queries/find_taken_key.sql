-- The first of these events, counted from 1, whose idempotency key the session knows for something else.
-- $1 tenant, $2 user, $3 session; $4 types, $5 roles, $6 contents, $7 payloads, $8 idempotency keys, $9 speakers: one per event.
select new.position
from afterthought.sessions s
cross join unnest($4::text[], $5::text[], $6::text[], $7::jsonb[], $8::text[], $9::text[])
    with ordinality as new (event_type, role, content, payload, idempotency_key, speaker, position)
join afterthought.session_events e on e.session_id = s.id and e.idempotency_key = new.idempotency_key
where s.tenant = $1 and s.user_id = $2 and s.session = $3
  and (e.event_type <> new.event_type or e.role is distinct from new.role or e.speaker is distinct from new.speaker
       or case
           when e.archived_digest is not null
               then e.archived_digest <> afterthought.event_digest(new.content, new.payload)
           else e.content is distinct from new.content or e.metadata <> new.payload
       end)
order by new.position
limit 1
