-- Notes new rows of adopted tables in the order given; rows of a table that is adopted no more are left out. So are those that
-- came with other columns than the key's: they were committed before the table was published by its key, and its backfill,
-- which began then, reads them.
-- One per row: $1 oid of the table, $2 key as texts, $3 when it was committed.
insert into afterthought.adopted_arrivals (adoption_id, key, written_at)
select a.id, n.key, n.written_at
from unnest($1::oid[], $2::jsonb[], $3::timestamptz[]) with ordinality as n (relid, key, written_at, place)
join afterthought.adopted_tables a on a.relid = n.relid and cardinality(a.key_columns) = jsonb_array_length(n.key)
order by n.place
