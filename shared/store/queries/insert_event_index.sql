-- What recall finds events by. Written again when a window is indexed again. What is in the archive is not searched.
-- $1 tenant, $2 user, $3 session, $4 embedding model; $5 versions, $6 embeddings, $7 texts: one per event.
insert into afterthought.event_index
    (tenant, user_id, session_id, embedding_model, version, embedding, terms, occurred_at)
select $1, $2, $3, $4, event.version, event.embedding, to_tsvector('english', event.text), e.occurred_at
from unnest($5::bigint[], $6::halfvec[], $7::text[]) as event (version, embedding, text)
join afterthought.session_events e on e.session_id = $3 and e.version = event.version and e.archived_bytes is null
on conflict (session_id, version) do update
    set embedding = excluded.embedding, embedding_model = excluded.embedding_model, terms = excluded.terms,
        occurred_at = excluded.occurred_at
