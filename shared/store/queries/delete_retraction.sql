-- Takes back that a memory was deleted. One that was corrected before stays retracted: what took its place holds.
-- $1 memory.
delete from afterthought.retractions where memory_id = $1 and reason = 'deleted'
