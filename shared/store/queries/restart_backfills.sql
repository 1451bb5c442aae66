-- What was inserted into adopted tables while there was no slot is found by reading all of them again.
-- $1 every table, or those alone that wait for a slot; $2 whether the slot is still to be made.
update afterthought.adopted_tables
set backfill_from = clock_timestamp(), backfilled_through = null, backfilled_at = null, version = version + 1,
    awaits_slot = $2
where $1 or awaits_slot
