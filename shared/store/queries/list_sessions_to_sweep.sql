-- Sessions of an erasure that no last look was taken at, or only one before the erasure was made once more.
-- $1 erasure, $2 when it was made, $3 the last session seen, null for the beginning, $4 at most.
select session_id
from afterthought.erased_sessions
where erasure_id = $1 and swept_for is distinct from $2 and ($3::uuid is null or session_id > $3)
order by session_id
limit $4
