-- Adds to a receipt what went of hot state, which is done with. $1 erasure, $2 layers and $3 how many items of each.
update afterthought.erasures e
set names = e.names - 'hot_is_left',
    counts = e.counts || (
        select coalesce(jsonb_object_agg(layer, coalesce((e.counts ->> layer)::bigint, 0) + rows), '{}')
        from unnest($2::text[], $3::bigint[]) as counted (layer, rows)
    )
where e.id = $1
