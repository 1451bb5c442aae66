-- The memories of an owner that are not in the graph, all at once: to look for them batch by batch would be to pass over those
-- already in it again and again.
-- $1 tenant, $2 owner.
select memory_id from afterthought.memory_index where tenant = $1 and owner = $2 and not in_graph
