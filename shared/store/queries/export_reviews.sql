-- What reviewers decided about a user's memories. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select v.memory_id as id, 0::bigint as number, ''::text as name,
               jsonb_build_object('kind', 'review') || to_jsonb(v) as line
        from (
            select v.*
            from afterthought.memories m
            join afterthought.reviews v on v.memory_id = m.id
            where m.tenant = $1 and (case when m.user_id is null then '' else m.user_id end) = $2
              and (v.memory_id, 0::bigint, ''::text) > ($3::uuid, $4::bigint, $5::text)
            order by v.memory_id
            limit $6::bigint
        ) v
    ) l
) lines
where before < $7::bigint
order by id, number, name
