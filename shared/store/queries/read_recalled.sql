-- What events say that recall had handed out before. $1 tenant, $2 user; $3 versions, $4 roles, $5 contents, $6 when they were
-- accepted: one per event.
select said.version, afterthought.recalled($1, $2, said.role, said.content, said.created_at) as recalled
from unnest($3::bigint[], $4::text[], $5::text[], $6::timestamptz[]) as said (version, role, content, created_at)
