-- $1 erasures.
select distinct layer
from afterthought.erasures e, jsonb_object_keys(e.counts) as layer
where e.id = any($1::uuid[])
