-- $1 tenant, $2 nothing has happened since, $3 at most: as in list_sessions_to_archive.
select count(*) as rows
from (
    select
    from afterthought.sessions s
    where s.tenant = $1 and s.last_event_at < $2 and coalesce(s.restored_at < $2, true)
      and s.head_version > s.archived_through
    limit $3
) old
