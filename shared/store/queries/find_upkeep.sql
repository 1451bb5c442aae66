-- Whether something was done that need not be done again.
-- $1 what.
select exists (select from afterthought.upkeep where done = $1) as is_done
