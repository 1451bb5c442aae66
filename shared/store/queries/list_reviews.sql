-- What waits for a person, the oldest first. $1 tenant; $2 user, $3 type, $4 agent: null for any; $5 after this memory,
-- null for from the start; $6 at most. A memory of the whole tenant belongs to the user whose session it came from.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.on_conflict, m.review_reason,
       m.version, m.agent, m.model, m.created_at, m.updated_at, s.user_id, s.session
from afterthought.memories m
left join afterthought.sessions s on s.id = m.session_id
where m.tenant = $1 and m.status = 'pending_review'
  and ($2::text is null or coalesce(m.user_id, s.user_id) = $2)
  and ($3::text is null or m.type = $3)
  and ($4::text is null or m.agent = $4)
  and ($5::uuid is null
       or (m.created_at, m.id) > (select created_at, id from afterthought.memories where id = $5))
order by m.created_at, m.id
limit $6
