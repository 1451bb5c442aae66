-- Notes that something is done.
-- $1 what.
insert into afterthought.upkeep (done) values ($1) on conflict do nothing
