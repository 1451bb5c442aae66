-- The passages of long events, in place of those that were there. After `insert_event_index`, in its transaction: what is not
-- in the index, being in the archive, has none.
-- $1 session, $2 embedding model; $3 versions, $4 passages, $5 and $6 where each begins and ends in the text, $7 embeddings,
-- $8 texts: one per passage.
with made as materialized (
    select *
    from unnest($3::bigint[], $4::smallint[], $5::int[], $6::int[], $7::halfvec[], $8::text[])
        as made (version, passage, start_byte, end_byte, embedding, text)
),
-- Upserted, because what a statement deletes it cannot insert again.
left_over as (
    delete from afterthought.event_passages p
    using (select version, max(passage) as last from made group by version) m
    where p.session_id = $1 and p.version = m.version and p.passage > m.last
)
insert into afterthought.event_passages
    (session_id, version, passage, tenant, user_id, start_byte, end_byte, embedding, embedding_model, terms, occurred_at)
select i.session_id, i.version, m.passage, i.tenant, i.user_id, m.start_byte, m.end_byte, m.embedding, $2,
       to_tsvector('english', m.text), i.occurred_at
from made m
join afterthought.event_index i on i.session_id = $1 and i.version = m.version
on conflict (session_id, version, passage) do update
    set start_byte = excluded.start_byte, end_byte = excluded.end_byte, embedding = excluded.embedding,
        embedding_model = excluded.embedding_model, terms = excluded.terms, occurred_at = excluded.occurred_at
