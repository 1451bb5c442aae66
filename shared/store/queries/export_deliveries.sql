-- What endpoints were told, or are to be told, of a user's memories. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select '00000000-0000-0000-0000-000000000000'::uuid as id, d.id as number, ''::text as name,
               jsonb_build_object('kind', 'delivery') || to_jsonb(d) as line
        from (
            select d.*
            from afterthought.webhook_deliveries d
            where d.tenant = $1 and d.user_id = $2
              and ('00000000-0000-0000-0000-000000000000'::uuid, d.id, ''::text) > ($3::uuid, $4::bigint, $5::text)
            order by d.id
            limit $6::bigint
        ) d
    ) l
) lines
where before < $7::bigint
order by id, number, name
