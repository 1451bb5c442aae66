-- Whether every transaction of this database has ended that had begun when the row of an erasure was written last: the
-- number of a transaction that is under way is visible to everybody, and so is the row's. What goes on in other databases of
-- the server holds nothing up. And whether no row of an adopted table waits to be read that may be of it. $1 erasure.
select (e.subject = 'memory' or not exists (select from afterthought.adopted_left(e.tenant, e.names ->> 'user', e.erased_at)))
   and not exists (
    select
    from pg_stat_activity a
    where a.datid = (select oid from pg_database where datname = current_database())
      and a.backend_xid is not null and age(a.backend_xid) > age(e.xmin)
) as is_alone
from afterthought.erasures e
where e.id = $1
