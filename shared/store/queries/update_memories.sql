-- Memories that were seen again. A changed content is embedded anew; one whose time was over holds again.
-- $1 ids, $2 contents, $3 data, $4 confidences, $5 valid from, $6 what approval does, $7 reasons for review: one per
-- memory, the last two null for one that holds.
update afterthought.memories m
set content = seen.content, data = seen.data, confidence = seen.confidence, valid_from = seen.valid_from,
    on_conflict = seen.on_conflict, review_reason = seen.review_reason,
    embedding = case when m.content = seen.content then m.embedding end,
    embedding_model = case when m.content = seen.content then m.embedding_model end,
    expires_at = case when m.expires_at > now() then m.expires_at end,
    version = version + 1, updated_at = now()
from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::real[], $5::timestamptz[], $6::text[], $7::text[])
    as seen (id, content, data, confidence, valid_from, on_conflict, review_reason)
where m.id = seen.id
