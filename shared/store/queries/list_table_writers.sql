-- Transactions that may have written to an adopted table and have not ended, of everybody: whoever inserts holds this lock to the end.
-- $1 the adoption.
select distinct l.virtualtransaction as writer
from afterthought.adopted_tables a,
     lateral (select a.relid::oid as relid union select t.relid::oid from pg_partition_tree(a.relid) t) t,
     pg_locks l
where a.id = $1
  and l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted and l.relation = t.relid
  and l.database = (select d.oid from pg_database d where d.datname = current_database())
