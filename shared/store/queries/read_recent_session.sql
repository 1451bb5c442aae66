-- A session of a user and its last messages, newest first: one row per message, or one without a version when there is none
-- among its last thousand events.
-- $1 tenant, $2 user; $3 session name, $4 the name of one that is known and $5 when it was active, as in session_going_on; $6
-- only events of the session that was named after this version, $7 at most, $8 the agent that keeps the hot state.
select s.id, s.session, s.head_version, s.last_event_at,
       coalesce(c.through, 0) as through,
       e.version, e.event_type, e.role, e.speaker, e.content, e.metadata, e.archived_bytes, e.occurred_at, e.created_at
from afterthought.session_going_on($1, $2, $3, $4, $5) s
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
