-- Sessions that somebody went on with after events of theirs went to the archive. $1 tenant, $2 in which something happened since.
select s.id, s.user_id, s.session
from (
    select session_id, max(created_at) as archived_at
    from afterthought.archive_objects
    where tenant = $1 and status = 'stored'
    group by session_id
) o
join afterthought.sessions s on s.id = o.session_id
where s.last_event_at >= $2 and s.last_event_at > o.archived_at
order by s.id
