-- With their cursors, runs, ledger, snapshots, checkpoints, operations and holds. From here on nobody comes by their
-- events. $1 sessions.
delete from afterthought.sessions where id = any($1::uuid[])
