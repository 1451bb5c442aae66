-- What was decided about a memory, and the session of the one it went into. $1 memory.
select r.decision, r.edited_content, r.edited_data, r.became, r.reviewer, r.note, r.decided_at,
       m.session_id as became_session
from afterthought.reviews r
left join afterthought.memories m on m.id = r.became
where r.memory_id = $1
