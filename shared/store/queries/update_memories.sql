-- Memories that were seen again. A changed content is embedded anew.
-- $1 ids, $2 contents, $3 data, $4 confidences, $5 valid from: one per memory.
update afterthought.memories m
set content = seen.content, data = seen.data, confidence = seen.confidence, valid_from = seen.valid_from,
    embedding = case when m.content = seen.content then m.embedding end,
    embedding_model = case when m.content = seen.content then m.embedding_model end,
    version = version + 1, updated_at = now()
from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::real[], $5::timestamptz[])
    as seen (id, content, data, confidence, valid_from)
where m.id = seen.id
