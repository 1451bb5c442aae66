-- A session without events, unless there is one of this name. It was never active, so that it is nobody's recent conversation.
-- $1 tenant, $2 user, $3 session.
insert into afterthought.sessions (tenant, user_id, session, last_event_at)
values ($1, $2, $3, to_timestamp(0))
on conflict (tenant, user_id, session) do nothing
