-- Opens the cursor over the rows of an adopted table that have not been read. $1 the adoption.
select afterthought.open_backfill($1)
