-- Makes this the only erasure of a user at a time, and waits for whoever stores what they had accepted; see
-- `hold_off_erasures`. $1 tenant, $2 user. A lock that is not to be had within ten seconds is an error.
select set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(hashtextextended($1::text || e'\x1f' || $2::text, 15))
