-- The owners who are marked for a graph and of whom not every memory is known to be in it.
select tenant, owner
from afterthought.memory_totals
where in_graph
group by tenant, owner
having not bool_or(is_entered)
