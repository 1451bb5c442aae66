-- What is a user's without being a session's or a memory's. $1 tenant, $2 user, $3 written by then, null for any.
with profile as (
    delete from afterthought.profiles where tenant = $1 and user_id = $2 and last_active_at <= coalesce($3::timestamptz, 'infinity')
),
holds as (
    delete from afterthought.holds where tenant = $1 and user_id = $2 and created_at <= coalesce($3::timestamptz, 'infinity')
),
retractions as (
    delete from afterthought.retractions where tenant = $1 and user_id = $2 and retracted_at <= coalesce($3::timestamptz, 'infinity')
),
totals as (
    -- Of memories that are there, which may be a new life's, the sum stays.
    delete from afterthought.memory_totals t
    where t.tenant = $1 and t.owner = $2
      and not exists (
          select from afterthought.memories m
          where m.tenant = $1 and (case when m.user_id is null then '' else m.user_id end) = $2
      )
)
delete from afterthought.requests where tenant = $1 and user_id = $2 and created_at <= coalesce($3::timestamptz, 'infinity')
