-- What agents did in a user's sessions, each run with its ledger. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select r.id, 0::bigint as number, ''::text as name,
               jsonb_build_object('kind', 'run') || to_jsonb(r) || jsonb_build_object('ledger', (
                   select coalesce(jsonb_agg(to_jsonb(l) - array['run_id', 'tenant', 'session_id', 'agent'] order by l.position), '[]')
                   from afterthought.ledger l
                   where l.run_id = r.id
               )) as line
        from afterthought.sessions s
        join afterthought.agent_runs r on r.session_id = s.id
        where s.tenant = $1 and s.user_id = $2 and (r.id, 0::bigint, ''::text) > ($3::uuid, $4::bigint, $5::text)
        order by 1
        limit $6::bigint
    ) l
) lines
where before < $7::bigint
order by id, number, name
