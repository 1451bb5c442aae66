-- Holds, or renews the hold there is. $1 tenant, $2 agent, $3 user, $4 session, $5 reason, $6 until: null for any, or
-- for good.
insert into afterthought.holds as h (tenant, agent, user_id, session_id, reason, until)
values ($1, $2, $3, $4, $5, $6)
on conflict (session_id, tenant, user_id, agent, reason) do update
    set id = excluded.id, until = excluded.until
    where h.until is distinct from excluded.until
