-- An object that will be written; no row when somebody else is at these events.
-- $1 id, $2 tenant, $3 session, $4 first version, $5 last, $6 events, $7 bytes, $8 checksum, $9 user.
insert into afterthought.archive_objects (id, tenant, session_id, first_version, last_version, events, bytes, checksum, user_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (session_id, first_version) where status <> 'dropped' do nothing
returning id
