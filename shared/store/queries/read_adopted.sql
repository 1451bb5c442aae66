-- Rows of an adopted table, as long as the adoption has not changed: none of them is read by an entry that is not the caller's.
-- $1 the adoption, $2 its version, $3 keys, an array of arrays of texts, $4 the longest row in bytes of JSON, $5 how many bytes of
-- rows at most.
select r.place, r.bytes, r.data
from afterthought.adopted_tables a, afterthought.read_adopted(a.id, $3, $4, $5) r
where a.id = $1 and a.version = $2
