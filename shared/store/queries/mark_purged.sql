-- Sessions of which no row is left, and the erasure when that is so of all; a row when it is. The erasure is written once: until
-- when transactions have to have begun that it waits for, is told by when it was written last. $1 erasure, $2 sessions.
with done as (
    update afterthought.erased_sessions d
    set is_purged = true
    where d.erasure_id = $1 and d.session_id = any($2::uuid[])
      and not exists (select from afterthought.session_events e where e.session_id = d.session_id)
      and not exists (select from afterthought.event_index i where i.session_id = d.session_id)
      and not exists (select from afterthought.memory_evidence m where m.session_id = d.session_id)
      and not exists (select from afterthought.archive_objects o where o.session_id = d.session_id)
    returning d.session_id
),
open as (
    select e.id, e.purged_at
    from afterthought.erasures e
    where e.id = $1
      and not exists (
          select from afterthought.erased_sessions d
          where d.erasure_id = $1 and not d.is_purged and d.session_id not in (select session_id from done)
      )
),
marked as (
    update afterthought.erasures e set purged_at = now() from open o where e.id = o.id and o.purged_at is null
)
select id from open
