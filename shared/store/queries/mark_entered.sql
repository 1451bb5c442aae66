-- Notes that every memory of an owner is in the graph, so that it may answer for them.
-- $1 tenant, $2 owner.
update afterthought.memory_totals set is_entered = true where tenant = $1 and owner = $2 and in_graph
