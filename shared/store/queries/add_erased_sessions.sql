-- Sessions that the last look found, with what there was of them. $1 erasure, $2 tenant, $3 layers and $4 how many rows of
-- each, $5 sessions.
with sessions as (
    insert into afterthought.erased_sessions (erasure_id, session_id, tenant)
    select $1, session_id, $2 from unnest($5::uuid[]) as session_id
    on conflict (erasure_id, session_id) do update set is_purged = false, swept_for = null
)
update afterthought.erasures e
set counts = e.counts || (
    select coalesce(jsonb_object_agg(layer, coalesce((e.counts ->> layer)::bigint, 0) + rows), '{}')
    from unnest($3::text[], $4::bigint[]) as counted (layer, rows)
)
where e.id = $1
