-- A session and the latest snapshot of it up to a version; no row when there is no such session.
-- $1 tenant, $2 user, $3 session, $4 version, null for the last, $5 the latest schema that can be read.
select s.id, s.head_version, p.version, p.schema_version, p.state
from afterthought.sessions s
left join lateral (
    select version, schema_version, state
    from afterthought.snapshots
    where session_id = s.id and version <= coalesce($4, s.head_version) and schema_version <= $5
    order by version desc
    limit 1
) p on true
where s.tenant = $1 and s.user_id = $2 and s.session = $3
