-- Ends the validity of superseded memories and points each to what replaced it.
-- $1 closed, $2 replaced by, $3 since when: one entry of each per memory.
update afterthought.memories m
set valid_to = greatest(m.valid_from, closing.since), superseded_by = closing.by, version = version + 1, updated_at = now()
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as closing (id, by, since)
where m.id = closing.id
