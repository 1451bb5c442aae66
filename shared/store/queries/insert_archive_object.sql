-- An object that will be written; no row when somebody else is at these events, or the session was erased: nobody would look for
-- its object after the erasure has.
-- $1 id, $2 tenant, $3 session, $4 first version, $5 last, $6 events, $7 bytes, $8 checksum, $9 user.
insert into afterthought.archive_objects (id, tenant, session_id, first_version, last_version, events, bytes, checksum, user_id)
select $1::uuid, $2::text, s.id, $4::bigint, $5::bigint, $6::integer, $7::bigint, $8::bytea, $9::text
from afterthought.sessions s
where s.id = $3
for key share
on conflict (session_id, first_version) where status <> 'dropped' do nothing
returning id
