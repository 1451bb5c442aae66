-- The keys of requests about a user, with their answers. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select '00000000-0000-0000-0000-000000000000'::uuid as id, 0::bigint as number, r.key as name,
               jsonb_build_object('kind', 'request') || to_jsonb(r) as line
        from (
            select r.*
            from afterthought.requests r
            where r.tenant = $1 and r.user_id = $2 and ('00000000-0000-0000-0000-000000000000'::uuid, 0::bigint, r.key) > ($3::uuid, $4::bigint, $5::text)
            order by r.key
            limit $6::bigint
        ) r
    ) l
) lines
where before < $7::bigint
order by id, number, name
