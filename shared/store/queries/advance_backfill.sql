-- So far a backfill has been read; no row when the adoption has changed since.
-- $1 the adoption, $2 its version, $3 the last row read, null when there is none left, $4 rows that became events, $5 rows refused.
update afterthought.adopted_tables
set backfilled_through = $3,
    backfilled_at = case when $3::jsonb is null then now() end,
    rows_backfilled = rows_backfilled + $4,
    rows_refused = rows_refused + $5,
    broken = null,
    broken_at = null
where id = $1 and version = $2 and backfilled_at is null
returning version
