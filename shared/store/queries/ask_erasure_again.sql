-- An open erasure that is asked for again, of which there is no row: what has been accepted since and is not stored yet goes with it.
-- From here on it has everything before it once more that comes after an erasure. $1 erasure.
update afterthought.erasures
set asked_at = coalesce(asked_at, erased_at), erased_at = clock_timestamp(), transaction = pg_current_snapshot(),
    purged_at = null, names = names || '{"hot_is_left": true}'
where id = $1
returning id, subject, counts, erased_at, purged_at, completed_at, null::jsonb as waits_for
