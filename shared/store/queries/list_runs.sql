-- Runs, newest first.
-- $1 tenant, $2 agent, $3 user, $4 session, $5 not before, $6 before, $7 part of the error in any case: null for any;
-- $8 only those after this run in the list, null for the beginning; $9 at most; $10 outcome, null for any.
select r.id, r.agent, r.tenant, s.user_id, s.session, r.session_id, r.after_version, r.through_version, r.outcome,
       r.model, r.input_tokens, r.output_tokens, r.deferrals, r.error, r.redrives, r.redriven_by,
       r.first_sent_at, r.started_at, r.finished_at
from afterthought.agent_runs r
join afterthought.sessions s on s.id = r.session_id
where ($1::text is null or r.tenant = $1)
  and ($2::text is null or r.agent = $2)
  and ($3::text is null or s.user_id = $3)
  and ($4::uuid is null or r.session_id = $4)
  and ($5::timestamptz is null or r.finished_at >= $5)
  and ($6::timestamptz is null or r.finished_at < $6)
  and ($7::text is null or strpos(lower(r.error), lower($7)) > 0)
  and ($8::uuid is null or (r.finished_at, r.id) < (select finished_at, id from afterthought.agent_runs where id = $8))
  and ($10::text is null or r.outcome = $10)
order by r.finished_at desc, r.id desc
limit $9
