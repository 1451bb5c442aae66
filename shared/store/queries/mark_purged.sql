-- Sessions of which no row is left, and the erasure when that is so of all. $1 erasure, $2 sessions.
with done as (
    update afterthought.erased_sessions d
    set is_purged = true
    where d.erasure_id = $1 and d.session_id = any($2::uuid[])
      and not exists (select from afterthought.session_events e where e.session_id = d.session_id)
      and not exists (select from afterthought.event_index i where i.session_id = d.session_id)
      and not exists (select from afterthought.archive_objects o where o.session_id = d.session_id)
    returning d.session_id
)
update afterthought.erasures e
set purged_at = coalesce(e.purged_at, now())
where e.id = $1
  and not exists (
      select from afterthought.erased_sessions d
      where d.erasure_id = $1 and not d.is_purged and d.session_id not in (select session_id from done)
  )
returning e.purged_at
