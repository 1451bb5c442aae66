-- Rows that have been read wait no more. $1 the adoption, $2 their positions.
delete from afterthought.adopted_arrivals where adoption_id = $1 and position = any($2)
