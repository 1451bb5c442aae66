-- Marks a batch of the memories of large owners for their embedder's graph.
-- $1 at most.
update afterthought.memory_index i
set in_graph = true
from (
    select own.memory_id
    from (select distinct tenant, owner from afterthought.memory_totals where in_graph) large
    join afterthought.memory_index own on own.tenant = large.tenant and own.owner = large.owner
    where not own.in_graph
    limit $1
) entering
where i.memory_id = entering.memory_id
