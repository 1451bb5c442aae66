-- What a reader must know of the server and the database before it starts. One row.
select current_setting('wal_level'),
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
