-- Closes the quarantined runs of a target whose window lies ahead of the cursor: it will be thought about again.
-- $1 tenant, $2 user, $3 session: null for any; $4 agents.
update afterthought.agent_runs r
set redriven_by = r.id
from afterthought.agent_cursors c
join afterthought.sessions s on s.id = c.session_id
where c.session_id = r.session_id and c.agent = r.agent and r.after_version >= c.through
  and r.agent = any($4) and r.outcome = 'quarantined' and r.redriven_by is null
  and ($1::text is null or s.tenant = $1)
  and ($2::text is null or s.user_id = $2)
  and ($3::uuid is null or s.id = $3)
