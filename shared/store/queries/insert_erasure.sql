-- The tombstone, with the sessions whose rows are left. $1 erasure, $2 tenant, $3 user, $4 what is erased, $5 the session's
-- or the memory's name, null for a user, $6 layers and $7 how many rows of each, $8 sessions, $9 what it takes to find the
-- rest.
with made as (
    insert into afterthought.erasures (id, tenant, subject, user_digest, subject_digest, names, counts)
    values (
        $1, $2, $4, afterthought.subject_digest($2, $3),
        case when $5::text is null then afterthought.subject_digest($2, $3) else afterthought.subject_digest($2, $3, $5) end,
        $9,
        (select coalesce(jsonb_object_agg(layer, rows), '{}')
         from unnest($6::text[], $7::bigint[]) as counted (layer, rows))
    )
    returning id, subject, counts, erased_at, purged_at, completed_at, null::jsonb as waits_for
),
sessions as (
    insert into afterthought.erased_sessions (erasure_id, session_id, tenant)
    select $1, session_id, $2 from unnest($8::uuid[]) as session_id
)
select * from made
