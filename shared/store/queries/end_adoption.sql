-- Ends an adoption. $1 the table.
select afterthought.end_adoption($1)
