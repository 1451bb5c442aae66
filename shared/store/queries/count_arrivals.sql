-- What became of rows that were read. $1 the adoption, $2 rows that became events, $3 rows refused.
update afterthought.adopted_tables
set rows_followed = rows_followed + $2, rows_refused = rows_refused + $3, broken = null, broken_at = null
where id = $1
