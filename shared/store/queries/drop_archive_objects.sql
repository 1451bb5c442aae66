-- Objects that nothing stands for are given up: those that were, and those of a writer that has ended. From here on no writer can
-- have them stand for anything; one that was quicker keeps its own.
-- $1 tenant, $2 of writers that began before, $3 at most.
update afterthought.archive_objects o
set status = 'dropped'
where o.status <> 'stored'
  and o.id in (
      select id
      from afterthought.archive_objects
      where tenant = $1 and status <> 'stored' and (status = 'dropped' or created_at < $2)
      order by created_at
      limit $3
  )
returning o.id, o.session_id, o.first_version, o.last_version, o.events, o.checksum
