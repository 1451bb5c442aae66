-- Puts a batch of memories into their embedder's graph.
-- $1 the memories.
update afterthought.memory_index set in_graph = true where memory_id = any($1) and not in_graph
