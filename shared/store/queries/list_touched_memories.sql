-- The memories that an erasure of sessions touches, and whether they go: those of the user when the user does, those of the
-- sessions' own scope, those that come from nothing but the sessions, and those that quote them: the first words of a
-- sentence stand in them. The others lose only that evidence. What cannot be read any more, for it is in the archive, is taken for quoted.
-- $1 tenant, $2 the user when all of theirs goes, else null; $3 sessions; $4 stored by then, null for any.
with touched as materialized (
    select distinct e.memory_id as id from afterthought.memory_evidence e where e.session_id = any($3::uuid[])
    union
    select m.id from afterthought.memories m where m.session_id = any($3::uuid[])
),
own as materialized (
    select m.id
    from afterthought.memories m
    where $2::text is not null and m.tenant = $1
      and (case when m.user_id is null then '' else m.user_id end) = $2 and m.created_at <= coalesce($4::timestamptz, 'infinity')
)
select o.id, true as goes from own o
union all
select t.id,
       m.scope = 'session' and m.session_id = any($3::uuid[])
       or not exists (
           select from afterthought.memory_evidence e where e.memory_id = t.id and e.session_id <> all($3::uuid[])
       )
       or exists (
           select
           from afterthought.memory_evidence e
           join afterthought.session_events v on v.session_id = e.session_id and v.version = e.version
           left join lateral afterthought.sentences(v.tenant, v.user_id, v.content) said on true
           where e.memory_id = t.id and e.session_id = any($3::uuid[])
             and (v.archived_bytes is not null
                  or position(left(afterthought.folded(said.sentence), 24) in f.words) > 0)
       ) as goes
from touched t
join afterthought.memories m on m.id = t.id
cross join lateral (select afterthought.folded(m.content) as words) f
where t.id not in (select id from own)
