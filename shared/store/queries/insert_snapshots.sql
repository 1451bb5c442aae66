-- Snapshots of a session, each unless there is one already.
-- $1 tenant, $2 session, $3 schema; $4 versions, $5 states: one per snapshot.
insert into afterthought.snapshots (tenant, session_id, schema_version, version, state)
select $1, $2, $3, new.version, new.state
from unnest($4::bigint[], $5::jsonb[]) as new (version, state)
on conflict (session_id, version) do nothing
