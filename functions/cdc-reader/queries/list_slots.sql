-- Every replication slot with its reader, if it has one. The reason of an invalidation is told from PG 17 on.
select s.slot_name, s.plugin, s.database = current_database(), s.wal_status = 'lost',
       to_jsonb(s) ->> 'invalidation_reason', s.active_pid, a.application_name, s.confirmed_flush_lsn
from pg_replication_slots s
left join pg_stat_activity a on a.pid = s.active_pid
