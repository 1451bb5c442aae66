-- The current memories that a user's question may be about, with what it takes to score them and their evidence.
-- $1 tenant, $2 user, $3 the question's words, $4 its embedding, $5 the embedder, $6 how many to pick by each measure;
-- each null where it does not matter: $7 types, $8 scopes, $9 the name of a session that evidence is from, $10 since when
-- and $11 until when it began to hold, $12 the time it held at instead of now.
--
-- Exact, like search_events: every current memory of the user and of the whole tenant is looked at, so at least $6 come
-- back when there are as many. A memory that is not embedded yet is found by its words.
-- Evidence of a memory of the whole tenant shows only where it comes from this user.
with words as materialized (
    select lexeme, ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as query
    from unnest(tsvector_to_array(to_tsvector('english', $3))) as lexeme
),
own as materialized (
    select m.id, m.terms, length(m.terms) as length, m.confidence, m.valid_from,
           case when m.embedding_model = $5 then -(m.embedding <#> $4) end as similarity
    from (
        select m.* from afterthought.memories m
        where m.tenant = $1 and (m.scope, m.scope_id) in (('user', $2), ('global', ''))
          and ($12::timestamptz is not null or m.valid_to is null) and m.status = 'active'
        union all
        -- `offset 0` keeps it a look-up per session: joined freely, the session memories of all users may be read.
        select m.* from afterthought.sessions s
        cross join lateral (
            select * from afterthought.memories m
            where m.tenant = $1 and m.scope = 'session' and m.scope_id = s.id::text
              and ($12::timestamptz is not null or m.valid_to is null) and m.status = 'active'
            offset 0
        ) m
        where s.tenant = $1 and s.user_id = $2
    ) m
    where (m.expires_at is null or m.expires_at > now())
      and ($7::text[] is null or m.type = any($7))
      and ($8::text[] is null or m.scope = any($8))
      and ($10::timestamptz is null or m.valid_from >= $10)
      and ($11::timestamptz is null or m.valid_from < $11)
      and ($12::timestamptz is null or (m.valid_from <= $12 and coalesce(m.valid_to > $12, true)))
      and ($9::text is null or exists (
          select from afterthought.memory_evidence v
          where v.memory_id = m.id and v.session_id = (
              select id from afterthought.sessions where tenant = $1 and user_id = $2 and session = $9
          )
      ))
      -- A question that was answered says nothing: what answers it is among the events.
      and not (m.type = 'action' and m.data ->> 'status' is not distinct from 'answered')
),
totals as materialized (
    select count(*) as texts, coalesce(avg(length), 0)::float8 as average_length from own
),
hits as materialized (
    select o.id, w.lexeme from own o join words w on o.terms @@ w.query
),
rarity as materialized (
    select w.lexeme, count(h.lexeme) as texts_with,
           ln(1 + (t.texts - count(h.lexeme) + 0.5) / (count(h.lexeme) + 0.5)) as weight
    from words w cross join totals t left join hits h using (lexeme)
    group by w.lexeme, t.texts
),
picked as (
    (select id from own order by similarity desc nulls last, confidence desc, valid_from desc, id limit $6)
    union
    (
        select h.id from hits h join rarity r using (lexeme)
        group by h.id
        order by sum(r.weight) desc, h.id
        limit $6
    )
)
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, o.similarity, o.length,
       array(
           select coalesce(cardinality(term.positions), 0)
           from words w
           left join unnest(o.terms) as term (lexeme, positions, weights) using (lexeme)
           order by w.lexeme
       ) as frequencies,
       array(select texts_with from rarity order by lexeme) as texts_with,
       t.texts, t.average_length, found.sessions, found.versions
from picked
join own o using (id)
join afterthought.memories m using (id)
cross join totals t
cross join lateral (
    select array_agg(s.session order by s.session, v.version) as sessions,
           array_agg(v.version order by s.session, v.version) as versions
    from afterthought.memory_evidence v
    join afterthought.sessions s on s.id = v.session_id and s.user_id = $2
    where v.memory_id = o.id
) found
