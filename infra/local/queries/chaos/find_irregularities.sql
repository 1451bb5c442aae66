-- What must not be, whatever came before. $1 agents.
with thought as (
    select session_id, agent, id, after_version, through_version,
           lag(through_version, 1, 0::bigint) over (partition by session_id, agent order by after_version, through_version)
               as reached
    from afterthought.agent_runs
    where outcome in ('done', 'degraded') and redrives is null
)
select 'an agent has not reached the head of a session' as what, 'session ' || s.id || ' ' || a.agent as place
from afterthought.sessions s
cross join unnest($1::text[]) as a (agent)
left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
where s.head_version <> coalesce(c.through, 0)
union all
select 'a window does not begin where the one before it ended', 'session ' || session_id || ' run ' || id
from thought
where after_version <> reached
union all
select 'the windows do not end where the cursor is', 'session ' || c.session_id || ' ' || c.agent
from afterthought.agent_cursors c
where c.through <> (
    select coalesce(max(t.through_version), 0) from thought t where t.session_id = c.session_id and t.agent = c.agent
)
union all
select 'a window was ' || outcome, 'session ' || session_id || ' run ' || id
from afterthought.agent_runs
where outcome not in ('done', 'degraded')
union all
select 'a hold is left', 'hold ' || id
from afterthought.holds
union all
select 'a memory has no evidence', 'memory ' || m.id
from afterthought.memories m
where not exists (select from afterthought.memory_evidence v where v.memory_id = m.id)
union all
select 'a memory was closed by none', 'memory ' || m.id
from afterthought.memories m
where m.valid_to is not null and m.superseded_by is null
union all
select 'a memory is not embedded', 'memory ' || m.id
from afterthought.memories m
where m.embedding is null and m.valid_to is null and m.status = 'active'
