-- A quarantined window failed again: when and why, and what it cost in all. No row means that somebody else closed it.
-- $1 the quarantined run, $2 session, $3 agent, $4 after, $5 through, $6 error, $7 and $8 tokens.
update afterthought.agent_runs
set error = $6, finished_at = now(), input_tokens = input_tokens + $7, output_tokens = output_tokens + $8
where id = $1 and session_id = $2 and agent = $3 and after_version = $4 and through_version = $5
  and outcome = 'quarantined' and redriven_by is null
