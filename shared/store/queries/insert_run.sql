-- One run over one window.
insert into afterthought.agent_runs
    (id, tenant, agent, session_id, after_version, through_version, model, input_tokens, output_tokens,
     deferrals, first_sent_at, started_at, outcome, error, redrives)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
