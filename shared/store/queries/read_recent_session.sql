-- A session of a user and its last messages, newest first: one row per message, or one without a version when there is none
-- among its last thousand events.
-- $1 tenant, $2 user; $3 session name, or $4 the name of the one that is known to have been active at $5, instead of which
-- one comes where somebody has spoken since, or neither for the one active last; $6 only events of the session that was
-- named after this version, $7 at most, $8 the agent that keeps the hot state.
select s.id, s.session, s.head_version, s.last_event_at,
       coalesce(c.through, 0) as through,
       e.version, e.event_type, e.role, e.speaker, e.content, e.metadata, e.archived_bytes, e.occurred_at, e.created_at
from (
    select * from afterthought.sessions
    where tenant = $1 and user_id = $2 and ($3::text is null or session = $3)
      -- Nobody is in the session that takes what an application does to memories, unless something was said there.
      and ($3 is not null or session <> 'memories'
           or exists (select from afterthought.session_events e
                      where e.session_id = sessions.id and e.version > sessions.head_version - 20
                        and e.event_type = 'message'))
      and ($4::text is null or session = $4
           or (last_event_at >= $5::timestamptz + interval '1 millisecond'
               and exists (select from afterthought.session_events e
                           where e.session_id = sessions.id and e.version > sessions.head_version - 20
                             and e.event_type = 'message'
                             and e.created_at >= $5::timestamptz + interval '1 millisecond')))
    order by last_event_at desc, id
    limit 1
) s
left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = $8
left join lateral (
    select *
    from afterthought.session_events e
    where e.session_id = s.id and e.event_type = 'message'
      and e.version > greatest(case when s.session = coalesce($3, $4) then $6::bigint else 0 end, s.head_version - 1000)
    order by e.version desc
    limit $7
) e on true
order by e.version desc
