-- A session without events, unless there is one of this name. It was never active, so that it is nobody's recent conversation.
-- Whoever is erasing one of this name is waited for first, so that the new one is later than that.
-- $1 tenant, $2 user, $3 session.
with there as materialized (
    select id from afterthought.sessions where tenant = $1 and user_id = $2 and session = $3 for no key update
)
insert into afterthought.sessions (tenant, user_id, session, last_event_at)
select $1, $2, $3, to_timestamp(0)
where not exists (select from there)
on conflict (tenant, user_id, session) do nothing
