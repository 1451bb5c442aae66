-- Whether every transaction has ended that had begun when the erasure did. $1 erasure.
select pg_snapshot_xmax(transaction) <= pg_snapshot_xmin(pg_current_snapshot()) as is_alone
from afterthought.erasures
where id = $1
