-- Memories that were to be kept until a time that is over. $1 tenant, $2 expired before, $3 at most.
select id
from afterthought.memories
where tenant = $1 and expires_at < $2 and status = 'active' and not pinned
order by id
limit $3
