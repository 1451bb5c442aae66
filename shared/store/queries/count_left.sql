-- What is left of an erasure, by layer: nothing, when all is well. $1 tenant, $2 the user when all of theirs went, else
-- null, $3 the session's name when it alone went, else null; $4 whose it was; $5 when, $6 the erasure.
select layer, count(*) as rows
from (
    select 'sessions' as layer
    from afterthought.sessions s
    where s.tenant = $1 and s.user_id = $4 and ($2::text is not null or s.session = $3) and s.created_at <= $5
    union all
    select 'memories'
    from afterthought.memories m
    where $2::text is not null and m.tenant = $1
      and (case when m.user_id is null then '' else m.user_id end) = $2 and m.created_at <= $5
    union all
    select 'requests' from afterthought.requests r
    where $2::text is not null and r.tenant = $1 and r.user_id = $2 and r.created_at <= $5
    union all
    select 'profiles' from afterthought.profiles p
    where $2::text is not null and p.tenant = $1 and p.user_id = $2 and p.last_active_at <= $5
    union all
    select 'retractions' from afterthought.retractions r
    where $2::text is not null and r.tenant = $1 and r.user_id = $2 and r.retracted_at <= $5
    union all
    select 'events'
    from afterthought.erased_sessions d join afterthought.session_events e using (session_id)
    where d.erasure_id = $6
    union all
    select 'event_index'
    from afterthought.erased_sessions d join afterthought.event_index i using (session_id)
    where d.erasure_id = $6
    union all
    select 'evidence'
    from afterthought.erased_sessions d join afterthought.memory_evidence e using (session_id)
    where d.erasure_id = $6
    union all
    select 'archive_objects'
    from afterthought.erased_sessions d join afterthought.archive_objects o using (session_id)
    where d.erasure_id = $6
    union all
    select l.layer
    from afterthought.adopted_left($1, $4, $5) l, generate_series(1, l.remaining)
    where $2::text is not null or $3::text is not null
) left_over
group by layer
