-- Makes of a memory that waited what was decided. A changed content is embedded anew; one that went into another memory
-- has held for no time at all.
-- $1 memory, $2 status, $3 content, $4 data, $5 confidence, $6 valid from, $7 the memory it went into, or null.
update afterthought.memories m
set status = $2, content = $3, data = $4, confidence = $5, valid_from = $6,
    valid_to = case when $7::uuid is not null then $6::timestamptz end, superseded_by = $7,
    embedding = case when m.content = $3 then m.embedding end,
    embedding_model = case when m.content = $3 then m.embedding_model end,
    on_conflict = null, review_reason = null, version = version + 1, updated_at = now()
where m.id = $1
