-- Answers to requests that name a session that goes. $1 tenant, $2 user, $3 sessions.
delete from afterthought.requests
where tenant = $1 and user_id = $2 and answer ->> 'session' = any(select id::text from unnest($3::uuid[]) as id)
