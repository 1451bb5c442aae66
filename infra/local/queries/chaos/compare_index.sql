-- What recall finds events and current memories by. $1 sessions that came in several transactions: all are compared.
select s.tenant || '/' || s.user_id || '/' || s.session || ' event ' || i.version as subject,
       i.embedding_model || ' ' || md5(i.embedding::text || i.terms::text || coalesce((
           select string_agg(p.embedding_model || p.embedding::text || p.terms::text, ' ' order by p.passage)
           from afterthought.event_passages p
           where p.session_id = i.session_id and p.version = i.version
       ), '')) as value,
       'session ' || s.id as place
from afterthought.event_index i
join afterthought.sessions s on s.id = i.session_id
where $1::text[] is not null
union all
select coalesce(s.tenant || '/' || s.user_id || '/' || s.session, m.tenant || '/' || coalesce(m.user_id, '*'))
           || ' ' || m.type || ' ' || md5(m.key),
       coalesce(m.embedding_model || ' ' || md5(m.embedding::text), 'not embedded'),
       'memory ' || m.id
from afterthought.memories m
left join afterthought.sessions s on m.scope = 'session' and s.id = m.session_id
where m.valid_to is null
