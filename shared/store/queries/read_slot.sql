-- The state of a replication slot and of its active reader, if any. $1 slot.
-- `lost` covers PG 15 to 18: the wal it needs is gone, or the server invalidated it for another reason.
select s.wal_status = 'lost' or coalesce(to_jsonb(s) ->> 'invalidation_reason', '') <> '' as lost,
       to_jsonb(s) ->> 'invalidation_reason' as reason,
       s.plugin, s.database,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint as lag_bytes,
       a.application_name as active_reader
from pg_replication_slots s
left join pg_stat_activity a on a.pid = s.active_pid
where s.slot_name = $1
