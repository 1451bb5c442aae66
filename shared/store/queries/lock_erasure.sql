-- How an erasure stands, which is not asked for again until this transaction ends. $1 erasure.
select completed_at is null as is_open, erased_at from afterthought.erasures where id = $1 for update
