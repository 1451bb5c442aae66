-- Notes when keys of a tenant were used last. $1: the tenant, $2: the keys, each once, $3: the moments, in the same order.
update afterthought.api_keys k
set last_used_at = u.used_at
from unnest($2::uuid[], $3::timestamptz[]) as u (id, used_at)
where k.tenant = $1 and k.id = u.id and (k.last_used_at is null or k.last_used_at < u.used_at)
