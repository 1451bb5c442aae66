-- The memories that a user's question may be about, with what it takes to score them and the first of their evidence.
-- $1 tenant, $2 user, $3 the question's words, $4 its embedding, $5 the embedder, $6 how many to pick by each measure;
-- each null where it does not matter: $7 types, $8 scopes, $9 the name of a session that evidence is from, $10 since when
-- and $11 until when it began to hold, $12 the time it held at instead of now; $13 how many pieces of evidence to bring.
--
-- At least $6 come back where there are as many: the measure of vectors brings those without a vector too, as its last.
-- It is exact, but for an owner with more memories than `afterthought.large_owner()` when nothing but the question is given:
-- see `afterthought.nearest_memories`. Without a filter, the parts of the query that only a filter needs fall away when it
-- is planned. Words are always exact; how rare they are is counted over the user's memories, whatever the filter.
-- Evidence of a memory of the whole tenant shows only where it comes from this user.
with lexemes as materialized (
    select lexeme from unnest(tsvector_to_array(to_tsvector('english', $3))) as lexeme
),
words as materialized (
    select l.lexeme, afterthought.word_of($1, o.owner, s.is_current, l.lexeme) as word
    from lexemes l
    cross join (values ($2), ('')) as o (owner)
    cross join unnest(case when $12::timestamptz is null then array[true] else array[true, false] end) as s (is_current)
),
totals as materialized (
    select coalesce(sum(texts), 0)::bigint as texts, coalesce(sum(words) / nullif(sum(texts), 0), 0)::float8 as average_length,
           -- Of some: an average over all would be another look at all.
           (
               select coalesce(avg(sample.similarity), 0)
               from (
                   select -(coalesce(embedding, long_embedding) <#> $4) as similarity
                   from afterthought.memory_index
                   where tenant = $1 and owner = $2 and is_current and embedding_model = $5
                   limit 100
               ) sample
           ) as average_similarity
    from afterthought.memory_totals
    where tenant = $1 and owner in ($2, '')
),
-- Only where there is a filter.
filtered as materialized (
    select i.memory_id,
           case when i.embedding_model = $5 and vector_dims($4::halfvec) <= 768 then -(i.embedding <#> $4)
                when i.embedding_model = $5 then -((select long_embedding from afterthought.memory_index l where l.memory_id = i.memory_id) <#> $4)
           end as similarity,
           i.valid_from
    from afterthought.memory_index i
    where num_nonnulls($7::text[], $8::text[], $9::text, $10::timestamptz, $11::timestamptz, $12::timestamptz) > 0
      and i.tenant = $1 and i.owner in ($2, '')
      and i.is_current = any(case when $12::timestamptz is null then array[true] else array[true, false] end)
      and ($7::text[] is null or i.type = any($7))
      and ($8::text[] is null or i.scope = any($8))
      and ($10::timestamptz is null or i.valid_from >= $10)
      and ($11::timestamptz is null or i.valid_from < $11)
      and ($12::timestamptz is null or (i.valid_from <= $12 and coalesce(i.valid_to > $12, true)))
      and coalesce(i.expires_at > coalesce($12, now()), true)
      and ($9::text is null or i.memory_id in (
          select v.memory_id from afterthought.memory_evidence v
          where v.session_id = (
              select id from afterthought.sessions where tenant = $1 and user_id = $2 and session = $9
          )
      ))
),
hits as materialized (
    select w.lexeme, h.memory_id, h.frequency
    from words w join afterthought.memory_words h on h.word = w.word and h.tenant = $1
),
rarity as materialized (
    select l.lexeme, count(h.lexeme) as texts_with,
           ln(1 + greatest(t.texts - count(h.lexeme), 0) / (count(h.lexeme) + 0.5)) as weight
    from lexemes l cross join totals t left join hits h using (lexeme)
    group by l.lexeme, t.texts
),
picked as materialized (
    select n.memory_id
    from (values ($2), ('')) as o (owner)
    cross join lateral afterthought.nearest_memories($1, o.owner, $4, $5, $6) n
    where num_nonnulls($7::text[], $8::text[], $9::text, $10::timestamptz, $11::timestamptz, $12::timestamptz) = 0
    union
    (select memory_id from filtered order by similarity desc nulls last, valid_from desc, memory_id limit $6)
    union
    (
        -- The best of those that have not expired: what has is passed over one by one, so that it takes nobody's place.
        select w.memory_id
        from (
            select h.memory_id, sum(r.weight) as weight
            from hits h join rarity r using (lexeme)
            where num_nonnulls($7::text[], $8::text[], $9::text, $10::timestamptz, $11::timestamptz, $12::timestamptz) = 0
               or h.memory_id in (select memory_id from filtered)
            group by h.memory_id
            order by weight desc, h.memory_id
        ) w
        cross join lateral (
            select from afterthought.memory_index i
            where i.memory_id = w.memory_id and coalesce(i.expires_at > coalesce($12, now()), true)
            offset 0
        ) alive
        order by w.weight desc, w.memory_id
        limit $6
    )
),
frequencies as materialized (
    select p.memory_id, array_agg(coalesce(c.frequency, 0) order by l.lexeme) as frequencies
    from picked p
    cross join lexemes l
    left join (
        select h.memory_id, h.lexeme, max(h.frequency)::int as frequency
        from hits h join picked using (memory_id)
        group by h.memory_id, h.lexeme
    ) c using (memory_id, lexeme)
    group by p.memory_id
)
select m.id, m.type, m.scope, m.key, m.content, m.data, m.confidence, m.valid_from, m.valid_to, m.pinned, m.updated_at,
       coalesce(a.count, 0) as accesses, a.last_at as accessed_at,
       case when i.embedding_model = $5 then -(coalesce(i.embedding, i.long_embedding) <#> $4) end as similarity,
       length(m.terms) as length,
       coalesce(f.frequencies, '{}') as frequencies,
       array(select lexeme from rarity order by lexeme) as words,
       array(select texts_with from rarity order by lexeme) as texts_with,
       t.texts, t.average_length, t.average_similarity, found.sessions, found.versions, found.events
from picked p
join afterthought.memory_index i on i.memory_id = p.memory_id
join afterthought.memories m on m.id = p.memory_id and (m.user_id = $2 or m.scope = 'global')
left join frequencies f on f.memory_id = m.id
left join afterthought.memory_access a on a.memory_id = m.id
cross join totals t
cross join lateral (
    select (array_agg(e.session order by e.session, e.version))[:$13] as sessions,
           (array_agg(e.version order by e.session, e.version))[:$13] as versions, count(*) as events
    from (
        select s.session, v.version
        from afterthought.memory_evidence v
        join afterthought.sessions s on s.id = v.session_id and s.user_id = $2
        where v.memory_id = m.id
        limit 1000
    ) e
) found
where m.status = 'active' and coalesce(m.expires_at > coalesce($12, now()), true)
