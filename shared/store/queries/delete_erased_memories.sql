-- With everything that hangs off them. $1 memories.
delete from afterthought.memories where id = any($1::uuid[])
