-- Whether every transaction of this database has ended that had begun when the row of an erasure was written last: the
-- number of a transaction that is under way or prepared is visible to everybody, and so is the row's. What goes on in other
-- databases of the server holds nothing up. And whether no row of an adopted table waits to be read that may be of it. $1 erasure.
select (e.subject = 'memory' or not exists (select from afterthought.adopted_left(e.tenant, e.names ->> 'user', e.erased_at)))
   and not afterthought.is_anybody_before(e.xmin) as is_alone
from afterthought.erasures e
where e.id = $1
