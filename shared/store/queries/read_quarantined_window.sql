-- The window that a run set aside, while nobody has thought about it again: the columns of read_window, the head being
-- the window's end. $1 agent, $2 session, $3 the quarantined run, $4 whether to look for what recall
-- handed out.
select s.user_id, s.session, r.through_version as head_version, r.after_version as through,
       coalesce(c.generation, 0) as generation,
       e.version, e.event_type, e.role, e.speaker, e.content, e.metadata, e.archived_bytes, e.occurred_at, e.created_at,
       case when $4 then afterthought.recalled(s.tenant, s.user_id, e.role, e.content, e.created_at) end as recalled
from afterthought.agent_runs r
join afterthought.sessions s on s.id = r.session_id
left join afterthought.agent_cursors c on c.session_id = r.session_id and c.agent = r.agent
left join afterthought.session_events e
    on e.session_id = $2 and e.version > r.after_version and e.version <= r.through_version
where r.id = $3 and r.session_id = $2 and r.agent = $1 and r.outcome = 'quarantined' and r.redriven_by is null
order by e.version
