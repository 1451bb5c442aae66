-- What is to be cleared away that no period is about: objects of the archive that nothing stands for or of sessions that were erased,
-- events that come back from the archive, rows that open erasures have left.
-- $1 tenant, $2 objects of writers that began before, $3 sessions in which something happened since, $4 of each at most.
with erased as materialized (
    select d.session_id
    from afterthought.erasures e join afterthought.erased_sessions d on d.erasure_id = e.id
    where e.tenant = $1 and e.completed_at is null and not d.is_purged
)
select 'archive_objects' as what, count(*) as rows
from (
    select
    from afterthought.archive_objects o
    where o.tenant = $1
      and (o.status = 'dropped' or (o.status <> 'stored' and o.created_at < $2) or o.session_id in (select session_id from erased))
    limit $4
) objects
union all
select 'restored_events', coalesce(sum(o.events), 0)::bigint
from afterthought.sessions s
join afterthought.archive_objects o on o.tenant = $1 and o.session_id = s.id and o.status = 'stored'
where s.tenant = $1 and s.last_event_at >= $3 and s.head_version > s.archived_through
union all
select 'erased_rows', count(*)
from (
    select from erased join afterthought.session_events using (session_id)
    union all
    select from erased join afterthought.event_index using (session_id)
    union all
    select from erased join afterthought.event_passages using (session_id)
    union all
    select from erased join afterthought.memory_evidence using (session_id)
    limit $4
) rows
