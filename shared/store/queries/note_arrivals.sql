-- Notes new rows of adopted tables in the order given; rows of a table that is adopted no more are left out.
-- One per row: $1 oid of the table, $2 key as texts, $3 when it was committed.
insert into afterthought.adopted_arrivals (adoption_id, key, written_at)
select a.id, n.key, n.written_at
from unnest($1::oid[], $2::jsonb[], $3::timestamptz[]) with ordinality as n (relid, key, written_at, place)
join afterthought.adopted_tables a on a.relid = n.relid
order by n.place
