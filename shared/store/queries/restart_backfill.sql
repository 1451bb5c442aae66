-- A table is in the publication again: rows that are in no stream are found by reading all of them. Nothing is done when the
-- adoption has changed since. $1 the adoption, $2 its version, $3 the entry of the publication that the table is in.
update afterthought.adopted_tables
set backfill_from = clock_timestamp(), backfilled_through = null, backfilled_at = null, version = version + 1,
    published_as = $3, broken = null, broken_at = null
where id = $1 and version = $2
