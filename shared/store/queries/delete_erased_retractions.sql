-- What was retracted in sessions that go. $1 tenant, $2 sessions.
delete from afterthought.retractions
where tenant = $1 and scope = 'session' and scope_id = any(select id::text from unnest($2::uuid[]) as id)
