-- What was corrected, deleted or erased of a user's memories: digests. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select r.memory_id as id, 0::bigint as number, ''::text as name,
               jsonb_build_object('kind', 'retraction') || to_jsonb(r) as line
        from (
            select r.*
            from afterthought.retractions r
            where r.tenant = $1 and r.user_id = $2 and (r.memory_id, 0::bigint, ''::text) > ($3::uuid, $4::bigint, $5::text)
            order by r.memory_id
            limit $6::bigint
        ) r
    ) l
) lines
where before < $7::bigint
order by id, number, name
