-- Events that nothing refers to. $1 sessions, $2 at most.
delete from afterthought.session_events
where (session_id, version) in (
    select e.session_id, e.version
    from afterthought.session_events e
    where e.session_id = any($1::uuid[])
      and not exists (
          select from afterthought.event_index i where i.session_id = e.session_id and i.version = e.version
      )
      and not exists (
          select from afterthought.memory_evidence m where m.session_id = e.session_id and m.version = e.version
      )
    limit $2
)
