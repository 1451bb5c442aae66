-- $1 memories, locked in the order in which agents lock them.
select id from afterthought.memories where id = any($1::uuid[]) order by id for update
