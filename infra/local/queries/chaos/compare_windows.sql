-- The windows that were thought about. $1 sessions that came in several transactions: how these were cut depends on time.
-- An agent that went on without the one it waited for did so because of time, and counts as done.
select s.name || ' ' || r.agent || ' (' || r.after_version || ', ' || r.through_version || ']' as subject,
       string_agg(case r.outcome when 'degraded' then 'done' else r.outcome end, ' ' order by r.id) as value,
       min('session ' || s.id || ' run ' || r.id) as place
from afterthought.agent_runs r
join (select id, tenant || '/' || user_id || '/' || session as name from afterthought.sessions) s on s.id = r.session_id
where s.name <> all ($1)
group by s.name, r.agent, r.after_version, r.through_version
