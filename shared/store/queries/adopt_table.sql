-- Adopts a table of an application. $1 the entry.
select afterthought.adopt($1)
