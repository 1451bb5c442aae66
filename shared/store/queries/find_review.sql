-- A memory that waits for a person or did, as it was proposed, and what was decided. $1 memory.
select m.id, m.type, m.scope, m.key, coalesce(r.content, m.content) as content, coalesce(r.data, m.data) as data,
       m.confidence, m.valid_from, coalesce(r.on_conflict, m.on_conflict) as on_conflict,
       coalesce(r.review_reason, m.review_reason) as review_reason,
       m.version, m.agent, m.model, m.created_at, m.updated_at, s.user_id, s.session,
       r.decision, r.edited_content, r.edited_data, r.became, r.reviewer, r.note, r.decided_at
from afterthought.memories m
left join afterthought.reviews r on r.memory_id = m.id
left join afterthought.sessions s on s.id = m.session_id
where m.id = $1 and (m.status = 'pending_review' or r.memory_id is not null)
