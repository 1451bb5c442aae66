-- Ends the holds on exactly this. $1 tenant, $2 agent, $3 user, $4 session: null for those that name none.
delete from afterthought.holds
where tenant is not distinct from $1 and agent is not distinct from $2
  and user_id is not distinct from $3 and session_id is not distinct from $4
