-- Sessions in which nothing has happened since a time, and of which something is not in the archive, in the order of their
-- identifiers; one that came back stays for as long.
-- $1 tenant, $2 since, $3 after this identifier, $4 at most.
select s.id, s.user_id, s.session
from afterthought.sessions s
where s.tenant = $1 and s.last_event_at < $2 and coalesce(s.restored_at < $2, true)
  and s.head_version > s.archived_through and s.id > $3
order by s.id
limit $4
