-- Puts a batch of memories into the index that are not there: those from before there was one.
-- $1 after this identifier, $2 at most. Answers the last one, none when nothing is left. Their rows are locked, so that an
-- agent that changes one meanwhile changes it after it was indexed.
select (array_agg(left_out.id order by left_out.id desc))[1] as last,
       afterthought.index_memories(array_agg(left_out.id))::text
from (
    select m.id
    from afterthought.memories m
    where m.id > $1 and afterthought.is_found(m)
      and not exists (select from afterthought.memory_index i where i.memory_id = m.id)
    order by m.id
    limit $2
    for no key update of m
) left_out
