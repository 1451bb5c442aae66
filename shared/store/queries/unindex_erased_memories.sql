-- Takes memories out of the index at once, rather than one by one as each is deleted. $1 memories.
select afterthought.unindex_memories($1::uuid[])
