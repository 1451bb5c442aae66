-- The slot is a new one: what was inserted into adopted tables while there was none is found by reading all of them again.
update afterthought.adopted_tables
set backfill_from = clock_timestamp(), backfilled_through = null, backfilled_at = null, version = version + 1
