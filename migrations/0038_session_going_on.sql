-- Which session of a user a question is about: the one named; or, of one known to have been active at a time, that one, unless
-- somebody has spoken in another since; or the one active last. Nobody is in the session that takes what an application does to
-- memories, unless something was said there. One select, which Postgres puts in the place of the call.
create function afterthought.session_going_on(of_tenant text, of_user text, named text, known text, known_at timestamptz)
returns table (id uuid, session text, head_version bigint, last_event_at timestamptz)
language sql stable rows 1
begin atomic
    select s.id, s.session, s.head_version, s.last_event_at
    from afterthought.sessions s
    where s.tenant = of_tenant and s.user_id = of_user and (named is null or s.session = named)
      and (named is not null or s.session <> 'memories'
           or exists (select from afterthought.session_events e
                      where e.session_id = s.id and e.version > s.head_version - 20 and e.event_type = 'message'))
      and (known is null or s.session = known
           or (s.last_event_at >= known_at + interval '1 millisecond'
               and exists (select from afterthought.session_events e
                           where e.session_id = s.id and e.version > s.head_version - 20 and e.event_type = 'message'
                             and e.created_at >= known_at + interval '1 millisecond')))
    order by s.last_event_at desc, s.id
    limit 1;
end;
