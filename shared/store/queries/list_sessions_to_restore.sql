-- Sessions that somebody went on with after events of theirs went to the archive: by their versions, for an event bears the time
-- when its transaction began. $1 tenant, $2 in which something happened since.
select s.id, s.user_id, s.session
from afterthought.sessions s
where s.tenant = $1 and s.last_event_at >= $2 and s.head_version > s.archived_through
  and exists (select from afterthought.archive_objects o where o.tenant = $1 and o.session_id = s.id and o.status = 'stored')
order by s.id
