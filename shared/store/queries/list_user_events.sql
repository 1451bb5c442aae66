-- What was said in a user's sessions since a time: the newest, oldest first, within bounds on each message and on all.
-- $1 tenant, $2 user, $3 since, $4 at most, $5 characters of a message, $6 bytes of all. A session that nothing has come
-- to since holds nothing newer either. Metadata larger than a message may be is left out: nobody reads it.
-- So is what is in the archive.
select said.session_id, said.session_name, said.version, said.event_type, said.role, said.speaker, said.content,
       said.is_cut, said.metadata, said.occurred_at, said.created_at,
       afterthought.recalled(said.tenant, said.user_id, said.role, said.content, said.created_at) as recalled
from (
    select cut.*, sum(octet_length(cut.content) + octet_length(cut.metadata::text)) over newer as bytes
    from (
        select v.tenant, v.user_id, v.session_id, v.session_name, v.version, v.event_type, v.role, v.speaker,
               left(v.content, $5) as content, length(v.content) > $5 as is_cut,
               case when octet_length(v.metadata::text) > $5 then '{}' else v.metadata end as metadata,
               v.occurred_at, v.created_at
        from (
            -- The newest before anything is cut, so that only they are read whole.
            select v.*, s.session as session_name
            from afterthought.sessions s
            join afterthought.session_events v on v.session_id = s.id
            where s.tenant = $1 and s.user_id = $2 and s.last_event_at >= $3
              and v.occurred_at >= $3 and v.event_type = 'message'
              and coalesce(v.role, '') not in ('system', 'tool') and v.archived_bytes is null
            order by v.occurred_at desc, v.session_id, v.version desc
            limit $4
        ) v
    ) cut
    window newer as (order by cut.occurred_at desc, cut.session_id, cut.version desc rows unbounded preceding)
) said
where said.bytes <= $6
order by said.occurred_at, said.session_id, said.version
