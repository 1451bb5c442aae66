-- Takes a request's key, one row when it was free. Waits for a transaction that is taking the same.
-- $1 tenant, $2 user, $3 key, $4 fingerprint of what is asked, $5 for how many seconds a key is known.
insert into afterthought.requests (tenant, user_id, key, fingerprint)
values ($1, $2, $3, $4)
on conflict (tenant, user_id, key) do update
    set fingerprint = excluded.fingerprint, answer = null, created_at = now()
    where requests.created_at < now() - make_interval(secs => $5)
returning key
