-- The events of a user that a question may be about, with what it takes to score them.
-- $1 tenant, $2 user, $3 the question's words, $4 its embedding, $5 the embedder, $6 how many to pick by each measure;
-- $7 and $8 since when and until when: one pair per time the question names; each null where it does not matter: $9 the name
-- of the only session, $10 since when and $11 until when it happened, $12 the time it had happened by.
--
-- Exact: every indexed row of the user is looked at, found by tenant and user, never by an index of vectors, which
-- would be filtered afterwards and come back with too few. So at least $6 events come back when the user has them.
-- The events just before and after a picked one come too: what they say is part of its score.
-- A long event is as near as its nearest passage, if that is nearer than the event as a whole; what is usual is the likeness
-- of events as wholes.
with words as materialized (
    -- Each lexeme of the question, and as a query of its own. Quoted, it can be nothing but one lexeme.
    select lexeme, ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as query
    from unnest(tsvector_to_array(to_tsvector('english', $3))) as lexeme
),
any_word as materialized (
    select string_agg(query::text, ' | ')::tsquery as query from words
),
own as materialized (
    select i.session_id, i.version, i.terms, length(i.terms) as length,
           case when i.embedding_model = $5 then -(i.embedding <#> $4) end as similarity,
           -- Rows of before the column was there know their time only from the log.
           case when cardinality($7::timestamptz[]) > 0 then coalesce(i.occurred_at, (
               select e.occurred_at from afterthought.session_events e
               where e.session_id = i.session_id and e.version = i.version
           )) end as occurred_at
    from afterthought.event_index i
    where i.tenant = $1 and i.user_id = $2
      and ($9::text is null or i.session_id = (
          select id from afterthought.sessions where tenant = $1 and user_id = $2 and session = $9
      ))
      and (num_nonnulls($10::timestamptz, $11::timestamptz, $12::timestamptz) = 0 or (
          select ($10 is null or said.at >= $10) and ($11 is null or said.at < $11) and ($12 is null or said.at <= $12)
          from (
              select coalesce(i.occurred_at, (
                  select e.occurred_at from afterthought.session_events e
                  where e.session_id = i.session_id and e.version = i.version
              )) as at
          ) said
      ))
),
totals as materialized (
    select count(*) as texts, coalesce(avg(length), 0)::float8 as average_length,
           coalesce(avg(similarity), 0)::float8 as average_similarity
    from own
),
hits as materialized (
    select o.session_id, o.version, w.lexeme from own o join words w on o.terms @@ w.query
),
rarity as materialized (
    select w.lexeme, count(h.lexeme) as texts_with,
           ln(1 + (t.texts - count(h.lexeme) + 0.5) / (count(h.lexeme) + 0.5)) as weight
    from words w cross join totals t left join hits h using (lexeme)
    group by w.lexeme, t.texts
),
worded as materialized (
    select h.session_id, h.version, sum(r.weight) as weight
    from hits h join rarity r using (lexeme)
    group by h.session_id, h.version
),
-- How near the nearest passage of each long event is. A user without long events has none.
nearest_passages as materialized (
    select p.session_id, p.version, max(-(p.embedding <#> $4)) as similarity
    from afterthought.event_passages p
    where p.tenant = $1 and p.user_id = $2 and p.embedding_model = $5
      and ($9::text is null or p.session_id = (
          select id from afterthought.sessions where tenant = $1 and user_id = $2 and session = $9
      ))
      and ($10::timestamptz is null or p.occurred_at >= $10)
      and ($11::timestamptz is null or p.occurred_at < $11)
      and ($12::timestamptz is null or p.occurred_at <= $12)
    group by p.session_id, p.version
),
picked as (
    (select session_id, version from nearest_passages order by similarity desc, session_id, version desc limit $6)
    union
    (select session_id, version from own order by similarity desc nulls last, session_id, version desc limit $6)
    union
    (select session_id, version from worded order by weight desc, session_id, version desc limit $6)
    union
    (
        select o.session_id, o.version
        from own o
        left join worded using (session_id, version)
        where exists (
            select from unnest($7::timestamptz[], $8::timestamptz[]) as asked (since, until)
            where o.occurred_at >= asked.since and o.occurred_at < asked.until
        )
        order by worded.weight desc nulls last, o.similarity desc nulls last, o.session_id, o.version desc
        limit $6
    )
),
around as (
    select distinct p.session_id, p.version + step as version
    from picked p cross join (values (-1), (0), (1)) as steps (step)
)
select o.session_id, s.session, o.version, e.role, e.speaker, e.content, e.occurred_at, o.length,
       greatest(o.similarity, p.similarity) as similarity,
       -- Counted by whoever asked: here it took as long as everything else. Most neighbours have none of the words.
       case when o.terms @@ (select query from any_word) then o.terms end as terms,
       p.start_byte as passage_start, p.end_byte as passage_end, p.terms as passage_terms,
       -- Once, with the first row.
       case when row_number() over () = 1 then array(select lexeme from rarity order by lexeme) end as words,
       case when row_number() over () = 1 then array(select texts_with from rarity order by lexeme) end as texts_with,
       t.texts, t.average_length, t.average_similarity
from around
join own o using (session_id, version)
join afterthought.session_events e using (session_id, version)
join afterthought.sessions s on s.id = o.session_id
-- Asked once: a user without long events has none to look for.
left join lateral (
    select p.start_byte, p.end_byte, p.terms, -(p.embedding <#> $4) as similarity
    from afterthought.event_passages p
    where exists (select from nearest_passages)
      and p.session_id = o.session_id and p.version = o.version and p.embedding_model = $5
    order by similarity desc, p.passage
    limit 1
) p on true
cross join totals t
