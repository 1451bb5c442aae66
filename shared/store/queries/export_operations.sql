-- What an application has begun. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select e.session_id as id, e.id as number, ''::text as name,
               jsonb_build_object('kind', 'operation') || to_jsonb(e) - 'id' || jsonb_build_object('operation', e.id) as line
        from afterthought.sessions s
        cross join lateral (
            -- Page by page within a session, in the order of its key.
            select * from afterthought.operations t
            where t.session_id = s.id and (s.id > $3::uuid or t.id > $4::bigint)
            order by t.id
            limit $6::bigint
        ) e
        where s.tenant = $1 and s.user_id = $2 and s.id >= $3::uuid and $5::text is not null
        order by 1, 2
        limit $6::bigint
    ) l
) lines
where before < $7::bigint
order by id, number, name
