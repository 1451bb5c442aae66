-- Marks the owners who have become large enough for a graph.
update afterthought.memory_totals t
set in_graph = true
from (
    select tenant, owner from afterthought.memory_totals
    group by tenant, owner
    having sum(texts) > afterthought.large_owner()
) large
where t.tenant = large.tenant and t.owner = large.owner and not t.in_graph
