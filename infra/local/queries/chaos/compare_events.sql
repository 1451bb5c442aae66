-- Every event as it was accepted. $1 sessions that came in several transactions: all are compared.
select s.tenant || '/' || s.user_id || '/' || s.session || ' event ' || e.version as subject,
       md5(jsonb_build_array(e.role, e.speaker, e.content, e.occurred_at, e.idempotency_key)::text) as value,
       'session ' || s.id as place
from afterthought.session_events e
join afterthought.sessions s on s.id = e.session_id
where $1::text[] is not null
