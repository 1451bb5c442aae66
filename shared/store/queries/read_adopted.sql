-- Rows of an adopted table. $1 the adoption, $2 keys, an array of arrays of texts, $3 the longest row in bytes of JSON, $4 how
-- many bytes of rows at most.
select place, bytes, data from afterthought.read_adopted($1, $2, $3, $4)
