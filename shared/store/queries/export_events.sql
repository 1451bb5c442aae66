-- What was said in a user's sessions, and what else is in their logs. One line of JSON each, with where to go on after it: $3, $4 and $5 of the last one seen.
-- Of an event in the archive, archived_bytes says how many are missing in its line.
-- $1 tenant, $2 user, $6 lines at most, $7 bytes of them at most, but always one.
select id, number, name, line, archived_bytes
from (
    select l.id, l.number, l.name, l.line::text as line, l.archived_bytes,
           coalesce(sum(octet_length(l.line::text) + coalesce(l.archived_bytes, 0)) over (
               order by l.id, l.number, l.name rows between unbounded preceding and 1 preceding
           ), 0) as before
    from (
        select e.session_id as id, e.version as number, ''::text as name,
               e.archived_bytes,
               jsonb_build_object('kind', 'event') || to_jsonb(e) - '{archived_bytes,archived_digest}'::text[] as line
        from afterthought.sessions s
        cross join lateral (
            -- Page by page within a session, in the order of its key.
            select * from afterthought.session_events t
            where t.session_id = s.id and (s.id > $3::uuid or t.version > $4::bigint)
            order by t.version
            limit $6::bigint
        ) e
        where s.tenant = $1 and s.user_id = $2 and s.id >= $3::uuid and $5::text is not null
        order by 1, 2
        limit $6::bigint
    ) l
) lines
where before < $7::bigint
order by id, number, name
