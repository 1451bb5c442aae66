-- Notes rows that became no event. $1 the adoption; one per row: $2 keys, $3 reasons, $4 tenants and $5 users, null where
-- neither could be read, $6 when the rows were written.
select afterthought.record_refusals($1, $2, $3, $4, $5, $6)
