-- A session something of which came back: it stays for a while, and the agent that indexes events begins again where that is.
-- $1 session, $2 the first version that came back, $3 the agent, null for none.
with session as (
    update afterthought.sessions
    set archived_through = least(archived_through, $2::bigint - 1), restored_at = now()
    where id = $1
)
update afterthought.agent_cursors
set through = $2::bigint - 1, generation = generation + 1, updated_at = now()
where session_id = $1 and agent = $3 and through >= $2::bigint
