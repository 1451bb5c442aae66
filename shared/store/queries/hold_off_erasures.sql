-- Has an erasure of any of these users wait until this transaction ends, and waits for one that is under way: what is
-- stored next sees it. $1 tenants, $2 users, one for one.
select afterthought.hold_off_erasures($1::text[], $2::text[])
