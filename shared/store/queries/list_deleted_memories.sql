-- Memories whose deletion can no longer be taken back. $1 tenant, $2 deleted before, $3 at most.
select id from afterthought.memories where tenant = $1 and status = 'deleted' and updated_at < $2 order by id limit $3
