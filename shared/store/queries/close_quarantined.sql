-- Closes a quarantined run whose window was thought about again. No row means that somebody else did.
-- $1 the quarantined run, $2 the run that closes it, $3 session, $4 agent, $5 after, $6 through.
update afterthought.agent_runs
set redriven_by = $2
where id = $1 and session_id = $3 and agent = $4 and after_version = $5 and through_version = $6
  and outcome = 'quarantined' and redriven_by is null
returning id
