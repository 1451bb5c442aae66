-- The next 500 rows of the open backfill: where each lies, and its key.
fetch forward 500 from afterthought_backfill
