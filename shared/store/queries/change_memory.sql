-- Changes what an application may change of a memory beside what it says.
-- $1 memory, $2 status, $3 pinned: null to leave it; $4 whether $5, until when it is kept, is to be set; $6 whether it is to
-- hold again.
update afterthought.memories
set status = coalesce($2, status), pinned = coalesce($3, pinned),
    expires_at = case when $4 then $5::timestamptz else expires_at end,
    valid_to = case when $6 then null else valid_to end,
    version = version + 1, updated_at = now()
where id = $1
