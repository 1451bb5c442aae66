-- Why: a question that names a time ("in May 2023", "yesterday") is answered by what was said then, and looking up the
-- time of every event of a user in the log would cost more than the rest of the search.
--
-- Null until the indexer writes the row again; the search then looks into the log. Replaying the indexer fills it.
alter table afterthought.event_index add column occurred_at timestamptz;
