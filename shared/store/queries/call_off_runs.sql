-- Has every run of agents over a user's sessions that has begun lose, and keeps the next from ending before this does.
-- $1 tenant, $2 user. In the order that others lock cursors in.
with own as materialized (
    select c.session_id, c.agent
    from afterthought.agent_cursors c
    join afterthought.sessions s on s.id = c.session_id
    where s.tenant = $1 and s.user_id = $2
    order by c.session_id, c.agent
    for update of c
)
update afterthought.agent_cursors c
set generation = c.generation + 1, updated_at = now()
from own
where c.session_id = own.session_id and c.agent = own.agent
