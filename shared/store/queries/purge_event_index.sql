-- What events without passages are found by. $1 sessions, $2 at most.
delete from afterthought.event_index
where (session_id, version) in (
    select i.session_id, i.version
    from afterthought.event_index i
    where i.session_id = any($1::uuid[])
      and not exists (
          select from afterthought.event_passages p where p.session_id = i.session_id and p.version = i.version
      )
    limit $2
)
