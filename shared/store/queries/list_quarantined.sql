-- Open quarantined runs, newest first.
-- $1 tenant, $2 agent, $3 user, $4 session, $5 not before, $6 before, $7 part of the error in any case: null for any;
-- $8 only those after this run in the list, null for the beginning; $9 at most.
select r.id, r.agent, r.tenant, r.session_id, r.after_version, r.through_version, r.error, r.finished_at
from afterthought.agent_runs r
where r.outcome = 'quarantined' and r.redriven_by is null
  and ($1::text is null or r.tenant = $1)
  and ($2::text is null or r.agent = $2)
  and ($3::text is null or exists (select from afterthought.sessions s where s.id = r.session_id and s.user_id = $3))
  and ($4::uuid is null or r.session_id = $4)
  and ($5::timestamptz is null or r.finished_at >= $5)
  and ($6::timestamptz is null or r.finished_at < $6)
  and ($7::text is null or strpos(lower(r.error), lower($7)) > 0)
  and ($8::uuid is null or (r.finished_at, r.id) < (select finished_at, id from afterthought.agent_runs where id = $8))
order by r.finished_at desc, r.id desc
limit $9
