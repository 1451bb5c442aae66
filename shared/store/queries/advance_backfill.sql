-- So far a backfill has been read, and what became of its rows. Nothing is done, and no row answered, when the adoption has changed
-- since; one that changes at this moment waits for this, or this for it.
-- $1 the adoption, $2 its version, $3 the last row read, null when there is none left, $4 rows that became events, $5 rows refused;
-- $6 to $10 as of settle_arrivals.
with held as (
    update afterthought.adopted_tables
    set backfilled_through = $3,
        backfilled_at = case when $3::jsonb is null then now() end,
        rows_backfilled = rows_backfilled + $4,
        rows_refused = rows_refused + $5,
        broken = null,
        broken_at = null
    where id = $1 and version = $2 and backfilled_at is null
    returning id
)
select afterthought.record_refusals(held.id, $6, $7, $8, $9, $10) from held
