-- The next rows of an adopted table that wait to be read. $1 the adoption, $2 how many at most.
select position, key, written_at
from afterthought.adopted_arrivals
where adoption_id = $1
order by position
limit $2
