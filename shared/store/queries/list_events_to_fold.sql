-- The events of a session from a version on, or from its latest snapshot, in order, as many as fit into so many bytes but at
-- least one.
-- $1 tenant, $2 user, $3 session, $4 through, null for the last, $5 after, null for the latest snapshot, $6 at most, $7 bytes,
-- $8 the latest schema of a snapshot that can be read.
with named as materialized (
    select id, least(coalesce($4, head_version), head_version) as through
    from afterthought.sessions
    where tenant = $1 and user_id = $2 and session = $3
), start as materialized (
    select coalesce($5, (
        select version
        from afterthought.snapshots
        where session_id = (select id from named) and version <= (select through from named) and schema_version <= $8
        order by version desc
        limit 1
    ), 0) as after
)
select version, event_type, schema_version, role, speaker, content, metadata, archived_bytes, occurred_at
from (
    select v.*, row_number() over newer as position,
           sum(coalesce(v.archived_bytes, octet_length(coalesce(v.content, '')) + octet_length(v.metadata::text))) over newer as bytes
    from (
        select *
        from afterthought.session_events
        where session_id = (select id from named) and version > (select after from start)
          and version <= (select through from named)
        order by version
        limit $6
    ) v
    window newer as (order by v.version)
) sized
where sized.bytes <= $7 or sized.position = 1
order by version
