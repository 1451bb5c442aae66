-- A user's memories, whatever their status, each with the events it came from; what is derived from its words is left out. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line
from (
    select l.id, l.number, l.name, l.line::text as line,
           coalesce(sum(octet_length(l.line::text)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select m.id, 0::bigint as number, ''::text as name,
               jsonb_build_object('kind', 'memory') || to_jsonb(m) - array['embedding', 'terms', 'access_count', 'last_accessed_at']
               || jsonb_build_object('evidence', (
                   select coalesce(jsonb_agg(jsonb_build_object('session_id', e.session_id, 'version', e.version)
                                             order by e.session_id, e.version), '[]')
                   from afterthought.memory_evidence e
                   where e.memory_id = m.id
               ), 'accesses', (
                   select jsonb_build_object('count', a.count, 'last_at', a.last_at)
                   from afterthought.memory_access a
                   where a.memory_id = m.id
               )) as line
        from afterthought.memories m
        where m.tenant = $1 and (case when m.user_id is null then '' else m.user_id end) = $2
          and (m.id, 0::bigint, ''::text) > ($3::uuid, $4::bigint, $5::text)
        order by 1
        limit $6::bigint
    ) l
) lines
where before < $7::bigint
order by id, number, name
