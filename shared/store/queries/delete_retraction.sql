-- Takes back that a memory was deleted. One that was corrected before stays retracted: what took its place holds.
-- $1 memory.
delete from afterthought.retractions r
using afterthought.memories m
where r.memory_id = $1 and m.id = r.memory_id and m.valid_to is null
