-- A user's sessions, with how far every agent is. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select s.id, 0::bigint as number, ''::text as name,
               jsonb_build_object('kind', 'session') || to_jsonb(s) || jsonb_build_object('cursors', (
                   select coalesce(jsonb_agg(jsonb_build_object('agent', c.agent, 'through', c.through) order by c.agent), '[]')
                   from afterthought.agent_cursors c
                   where c.session_id = s.id
               )) as line
        from afterthought.sessions s
        where s.tenant = $1 and s.user_id = $2 and (s.id, 0::bigint, ''::text) > ($3::uuid, $4::bigint, $5::text)
        order by 1
        limit $6::bigint
    ) l
) lines
where before < $7::bigint
order by id, number, name
