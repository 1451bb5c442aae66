-- A user's memories, or everybody's, the newest first: of each type as many as are wanted, by the index in that order.
-- $1 tenant, $2 user, empty for everybody's; $3 types; null for any: $4 scope, $5 session, $7 as of when, $8 pinned;
-- $6 statuses, each spelt out because a constant that is not wanted then costs nothing, and of no account with $7; $9 and $10 after the memory that was stored then, null for from the start; $11 at most.
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.valid_to, m.status, m.pinned,
       m.version, m.superseded_by, m.expires_at, m.agent, m.model, m.created_at, m.updated_at, s.session
from (
    select found.*
    from unnest($3::text[]) as kind (type)
    cross join lateral (
        select *
        from afterthought.memories m
        where m.tenant = $1 and case when m.user_id is null then '' else m.user_id end = $2 and m.type = kind.type
          and m.status in ('active', 'deleted')
          and ($4::text is null or m.scope = $4)
          and ($5::text is null
               or m.session_id = (select id from afterthought.sessions where tenant = $1 and user_id = $2 and session = $5))
          and ($8::boolean is null or m.pinned = $8)
          and ($7::timestamptz is null
               and ('active' = any($6::text[]) and m.status = 'active' and m.valid_to is null
                    and (m.expires_at is null or m.expires_at > now())
                    or 'expired' = any($6) and m.status = 'active' and m.valid_to is null and m.expires_at <= now()
                    or 'superseded' = any($6) and m.status = 'active' and m.valid_to is not null
                    or 'deleted' = any($6) and m.status = 'deleted')
               or m.status = 'active' and m.valid_from <= $7 and (m.valid_to is null or m.valid_to > $7)
               and (m.expires_at is null or m.expires_at > $7))
          and ($9::timestamptz is null or (m.created_at, m.id) < ($9, $10::uuid))
        order by m.created_at desc, m.id desc
        limit $11
    ) found
    order by found.created_at desc, found.id desc
    limit $11
) m
-- Whose session everybody's memory came from is nobody else's business.
left join afterthought.sessions s on s.id = m.session_id and s.user_id = $2
order by m.created_at desc, m.id desc
