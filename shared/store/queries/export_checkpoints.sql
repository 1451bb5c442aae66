-- States that an application saved: each whole, or as a patch of the one before. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- Sessions are gone through in the order of their ids, as many as fill a page; a last row without a line says how far, when all of theirs
-- are in it. How long a line is, is first guessed without reading it.
-- $1 tenant, $2 user, $6 lines and sessions at most, $7 bytes of them at most, but always one.
with ahead as materialized (
    select s.id, (
               select count(*)
               from (
                   select from afterthought.checkpoints t
                   where t.session_id = s.id and (s.id > $3::uuid or t.sequence > $4::bigint)
                   limit $6::bigint
               ) t
           ) as waiting
    from (
        select s.id, s.head_version
        from afterthought.sessions s
        where s.tenant = $1 and s.user_id = $2 and $5::text is not null
          and (s.id > $3::uuid or (s.id = $3::uuid and $4::bigint < 9223372036854775807))
        order by s.id
        limit $6::bigint
    ) s
),
filling as materialized (
    select id
    from (
        select id, coalesce(sum(waiting) over (order by id rows between unbounded preceding and 1 preceding), 0) as before
        from ahead
    ) counted
    where before < $6::bigint
),
candidates as (
    select *
    from (
        select f.id, e.number, e.about
        from filling f
        cross join lateral (
            select t.sequence as number, coalesce(octet_length(t.state), 0) + coalesce(octet_length(t.patch), 0) as about
            from afterthought.checkpoints t
            where t.session_id = f.id and (f.id > $3::uuid or t.sequence > $4::bigint)
            order by t.sequence
            limit $6::bigint
        ) e
        union all
        (select id, 9223372036854775807, 0 from filling order by id desc limit 1)
    ) c
    order by id, number
    limit $6::bigint
),
picked as (
    select id, number
    from (
        select id, number,
               coalesce(sum(about) over (order by id, number rows between unbounded preceding and 1 preceding), 0) as before
        from candidates
    ) guessed
    where before < $7::bigint
)
select id, number, name, line
from (
    select p.id, p.number, ''::text as name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by p.id, p.number rows between unbounded preceding and 1 preceding
           ), 0) as before
    from picked p
    left join lateral (
        select jsonb_build_object('kind', 'checkpoint') || to_jsonb(e) as line
        from afterthought.checkpoints e
        where e.session_id = p.id and e.sequence = p.number
        -- Each by its key, never the whole table.
        limit 1
    ) l on true
) lines
where before < $7::bigint
order by id, number
