-- The memories that an erasure of sessions touches, and whether they go: those of the user when the user does, those of the
-- sessions' own scope, those that come from nothing but the sessions, those in which an agent carries something of the sessions along,
-- and those that quote them: the first words of a sentence stand in them, or a text of their data was said there and nowhere else.
-- The others lose only that evidence. What cannot be read, for it is in the archive, is taken for quoted, and vouches for nothing.
-- $1 tenant, $2 the user when all of theirs goes, else null; $3 sessions; $4 stored by then, null for any; $5 whose sessions they are.
with carrying as materialized (
    -- Of a session that is not there nothing is to be carried along either.
    select m.id
    from afterthought.memories m
    where m.tenant = $1 and (case when m.user_id is null then '' else m.user_id end) = $5
      and exists (
          select from afterthought.carried_sessions(m.data) c
          where c.session_id = any($3::uuid[])
             or m.type = 'sentiment' and m.agent <> 'application'
                and not exists (select from afterthought.sessions s where s.id = c.session_id))
),
touched as materialized (
    select distinct e.memory_id as id from afterthought.memory_evidence e where e.session_id = any($3::uuid[])
    union
    select m.id from afterthought.memories m where m.session_id = any($3::uuid[])
    union
    select id from carrying
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
       or t.id in (select id from carrying)
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
       )
       -- A pattern is what several sessions have in common, and a mood is looked at above. Labels are an agent's own words.
       or m.type not in ('pattern', 'sentiment') and exists (
           select
           from jsonb_path_query(
                    m.data - '{carried,kind,attribute,polarity,granularity,status,doer}'::text[],
                    'strict $.** ? (@.type() == "string" || @.type() == "number")') as held (value)
           cross join lateral (select afterthought.folded(held.value #>> '{}') as words) text
           where text.words <> ''
             and exists (
                 select
                 from afterthought.memory_evidence e
                 join afterthought.session_events v on v.session_id = e.session_id and v.version = e.version
                 where e.memory_id = t.id and e.session_id = any($3::uuid[])
                   and position(text.words in afterthought.folded(concat_ws(' ', v.role, v.speaker, v.content, v.metadata))) > 0)
             and not exists (
                 select
                 from afterthought.memory_evidence e
                 join afterthought.session_events v on v.session_id = e.session_id and v.version = e.version
                 cross join lateral (
                     select afterthought.folded(concat_ws(' ', v.role, v.speaker, v.content, v.metadata)) as words) said
                 where e.memory_id = t.id and e.session_id <> all($3::uuid[])
                   -- Whole words, where the script has blanks between them.
                   and case when octet_length(text.words) = char_length(text.words)
                            then position(' ' || text.words || ' ' in ' ' || said.words || ' ')
                            else position(text.words in said.words) end > 0)
       ) as goes
from touched t
join afterthought.memories m on m.id = t.id
cross join lateral (select afterthought.folded(m.content) as words) f
where t.id not in (select id from own)
