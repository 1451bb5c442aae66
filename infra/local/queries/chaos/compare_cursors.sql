-- How far every agent is in every session. $1 sessions that came in several transactions: all are compared.
select s.tenant || '/' || s.user_id || '/' || s.session || ' ' || c.agent as subject,
       c.through || ' generation ' || c.generation as value,
       'session ' || s.id as place
from afterthought.agent_cursors c
join afterthought.sessions s on s.id = c.session_id
where $1::text[] is not null
