-- The publications of this database.
select pubname from pg_publication
