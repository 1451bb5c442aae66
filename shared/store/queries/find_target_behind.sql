-- A page of the sessions of a target, by their key, with the agents whose cursor is behind the head and that are not held; one
-- row without an agent for a session that none is behind on.
-- $1 tenant, $2 user, $3 session: null for any; $4 agents; $5 the last session of the page before, null for the first page;
-- $6 sessions at most. Without the inner limit every page would read and sort all sessions.
select b.agent, s.tenant, s.id as session_id, s.head_version as version
from (
    select id, tenant, user_id, head_version
    from afterthought.sessions
    where ($1::text is null or tenant = $1)
      and ($2::text is null or user_id = $2)
      and ($3::uuid is null or id = $3)
      and ($5::uuid is null or id > $5)
    order by id
    limit $6
) s
left join lateral (
    select a.agent
    from unnest($4::text[]) as a (agent)
    left join afterthought.agent_cursors c on c.session_id = s.id and c.agent = a.agent
    where s.head_version > coalesce(c.through, 0)
      and not exists (select from afterthought.holds_on(s.tenant, s.user_id, s.id, a.agent))
) b on true
order by s.id, b.agent
