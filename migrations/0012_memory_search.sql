-- Why: a search among one user's memories costs what that user has, however many others have, and reads nothing wide.
--
-- Everything here is derived from `memories` by triggers. Every look-up is by equality with the tenant among the columns of
-- the index, so row-level security neither keeps an index from being used nor makes a scan of one read the table.

-- What a search looks at of each memory that can be found at all.
create table afterthought.memory_index (
    memory_id uuid primary key references afterthought.memories on delete cascade,
    tenant text not null,
    -- The user, or '' for everybody of the tenant.
    owner text not null,
    -- Whether it holds until further notice; the others are found by a search that names an earlier time.
    is_current boolean not null,
    type text not null,
    scope text not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    expires_at timestamptz,
    embedding_model text check (octet_length(embedding_model) <= 200),
    -- An entry of an index has room for 768 dimensions; a longer vector is read from the table.
    embedding halfvec check (vector_dims(embedding) <= 768),
    long_embedding halfvec,
    -- Whether the owner is large enough for a graph to be worth its upkeep.
    in_graph boolean not null default false
);
-- Beside the row, not in a place of its own: a scan of long vectors reads the row anyway.
alter table afterthought.memory_index alter column embedding set storage main, alter column long_embedding set storage main;
-- Rows come in and are not touched again for long: seen as such, they are searched in the index alone.
alter table afterthought.memory_index
    set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);
create index memory_index_of_owner on afterthought.memory_index (tenant, owner, is_current)
    include (memory_id, type, scope, valid_from, valid_to, expires_at, embedding_model, embedding);

-- Which memories have a word, and how often. A word is a hash of the owner, of whether the memory is current, and of the
-- lexeme, so that the entries of one owner's word lie side by side and those of nobody else between them. Two words with
-- the same hash would only count each other's frequency.
create table afterthought.memory_words (
    word bigint not null,
    memory_id uuid not null,
    tenant text not null,
    frequency smallint not null,
    -- How many different words the memory has.
    length smallint not null,
    primary key (word, memory_id) include (tenant, frequency, length)
);
create index memory_words_of_memory on afterthought.memory_words (memory_id);
alter table afterthought.memory_words
    set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);

-- How many current memories an owner has and how many different words they have together: the sum of a few rows. Whoever
-- changes it takes a row that nobody else holds, or adds one, and so never waits.
create table afterthought.memory_totals (
    tenant text not null,
    owner text not null,
    slot bigint not null generated always as identity,
    texts bigint not null,
    words bigint not null,
    -- Whether the owner's memories are in the graph of their embedder.
    in_graph boolean not null default false,
    primary key (tenant, owner, slot)
) with (fillfactor = 50);

do $$
declare
    table_name text;
begin
    foreach table_name in array array['memory_index', 'memory_words', 'memory_totals'] loop
        execute format('alter table afterthought.%I enable row level security, force row level security', table_name);
        execute format('create policy owner_all on afterthought.%I to current_user using (true) with check (true)', table_name);
        execute format(
            'create policy agent_own on afterthought.%I to afterthought_agent '
            'using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant())',
            table_name);
    end loop;
end
$$;
grant select, insert, update, delete on afterthought.memory_index, afterthought.memory_words, afterthought.memory_totals
    to afterthought_agent;

create function afterthought.word_of(tenant text, owner text, is_current boolean, lexeme text) returns bigint
language sql immutable parallel safe
return hashtextextended(
    tenant || E'\n' || owner || E'\n' || case when is_current then 'current' else 'past' end || E'\n' || lexeme, 0);

-- Whether a search can find it. A question that was answered says nothing: what answers it is among the events.
create function afterthought.is_found(m afterthought.memories) returns boolean
language sql immutable parallel safe
return m.status = 'active' and not (m.type = 'action' and m.data ->> 'status' is not distinct from 'answered');

-- The vector when an entry of an index has room for it, and when not. Bodies like these keep what they name, wherever the
-- extension is and whatever the search path of whoever calls.
create function afterthought.short_vector(vector halfvec) returns halfvec
language sql immutable parallel safe
return case when vector_dims(vector) <= 768 then vector end;

create function afterthought.long_vector(vector halfvec) returns halfvec
language sql immutable parallel safe
return case when vector_dims(vector) > 768 then vector end;

create function afterthought.add_totals(changed_tenant text, changed_owner text, more_texts bigint, more_words bigint)
returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    free bigint;
begin
    select slot into free from afterthought.memory_totals
    where tenant = changed_tenant and owner = changed_owner
    limit 1
    for update skip locked;
    if found then
        update afterthought.memory_totals set texts = texts + more_texts, words = words + more_words
        where tenant = changed_tenant and owner = changed_owner and slot = free;
    else
        insert into afterthought.memory_totals (tenant, owner, texts, words)
        values (changed_tenant, changed_owner, more_texts, more_words);
    end if;
end
$$;

-- Takes memories out of the index, as they are in it.
create function afterthought.unindex_memories(ids uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform afterthought.add_totals(gone.tenant, gone.owner, -gone.texts, -gone.words)
    from (
        select i.tenant, i.owner, count(*) as texts, sum(coalesce(w.length, 0)) as words
        from afterthought.memory_index i
        left join lateral (select length from afterthought.memory_words where memory_id = i.memory_id limit 1) w on true
        where i.memory_id = any(ids) and i.is_current
        group by i.tenant, i.owner
    ) gone;
    delete from afterthought.memory_words where memory_id = any(ids);
    delete from afterthought.memory_index where memory_id = any(ids);
end
$$;

-- Puts memories that can be found into the index, unless they are there.
create function afterthought.index_memories(ids uuid[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    added_ids uuid[];
begin
    with indexed as (
    insert into afterthought.memory_index
        (memory_id, tenant, owner, is_current, type, scope, valid_from, valid_to, expires_at, embedding_model, embedding,
         long_embedding, in_graph)
    select m.id, m.tenant, coalesce(m.user_id, ''), m.valid_to is null, m.type, m.scope, m.valid_from, m.valid_to,
           m.expires_at, m.embedding_model, afterthought.short_vector(m.embedding),
           afterthought.long_vector(m.embedding),
           exists (
               select from afterthought.memory_totals t
               where t.tenant = m.tenant and t.owner = coalesce(m.user_id, '') and t.in_graph
           )
    from afterthought.memories m
    where m.id = any(ids) and afterthought.is_found(m)
    on conflict do nothing
    returning memory_id
    )
    select array_agg(memory_id) into added_ids from indexed;
    insert into afterthought.memory_words (word, memory_id, tenant, frequency, length)
    select afterthought.word_of(m.tenant, coalesce(m.user_id, ''), m.valid_to is null, t.lexeme), m.id, m.tenant,
           max(cardinality(t.positions)), length(m.terms)
    from afterthought.memories m
    cross join lateral unnest(m.terms) as t (lexeme, positions, weights)
    where m.id = any(added_ids) and afterthought.is_found(m)
    group by 1, 2, 3, 5;
    perform afterthought.add_totals(added.tenant, added.owner, added.texts, added.words)
    from (
        select m.tenant, coalesce(m.user_id, '') as owner, count(*) as texts, sum(length(m.terms)) as words
        from afterthought.memories m
        where m.id = any(added_ids) and afterthought.is_found(m) and m.valid_to is null
        group by m.tenant, coalesce(m.user_id, '')
    ) added;
end
$$;

create function afterthought.index_new_memories() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform afterthought.index_memories((select array_agg(id) from new_memories));
    return null;
end
$$;

create function afterthought.index_changed_memory() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform afterthought.unindex_memories(array[old.id]);
    perform afterthought.index_memories(array[new.id]);
    return null;
end
$$;

-- What the words do not depend on changes in place.
create function afterthought.index_changed_memory_row() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    update afterthought.memory_index
    set valid_from = new.valid_from, valid_to = new.valid_to, expires_at = new.expires_at,
        embedding_model = new.embedding_model,
        embedding = afterthought.short_vector(new.embedding),
        long_embedding = afterthought.long_vector(new.embedding)
    where memory_id = new.id;
    return null;
end
$$;

create function afterthought.unindex_deleted_memory() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform afterthought.unindex_memories(array[old.id]);
    return old;
end
$$;

create trigger memories_indexed after insert on afterthought.memories
    referencing new table as new_memories
    for each statement execute function afterthought.index_new_memories();
create trigger memories_indexed_again after update on afterthought.memories
    for each row
    when (new.content is distinct from old.content or (new.valid_to is null) <> (old.valid_to is null)
          or afterthought.is_found(new) <> afterthought.is_found(old)
          or new.user_id is distinct from old.user_id or new.scope <> old.scope or new.type <> old.type)
    execute function afterthought.index_changed_memory();
create trigger memories_indexed_in_place after update on afterthought.memories
    for each row
    when (new.content = old.content and (new.valid_to is null) = (old.valid_to is null)
          and afterthought.is_found(new) and afterthought.is_found(old)
          and new.user_id is not distinct from old.user_id and new.scope = old.scope and new.type = old.type
          and (new.valid_from <> old.valid_from or new.valid_to is distinct from old.valid_to
               or new.expires_at is distinct from old.expires_at
               or new.embedding_model is distinct from old.embedding_model
               or new.embedding is distinct from old.embedding))
    execute function afterthought.index_changed_memory_row();
create trigger memories_unindexed before delete on afterthought.memories
    for each row execute function afterthought.unindex_deleted_memory();

-- An owner with more current memories than this may be searched by a graph: what an exact look costs grows with their
-- number. Below, the exact look is quicker.
create function afterthought.large_owner() returns bigint
language sql immutable parallel safe
return 25000;

-- The name of the graph of an embedder's vectors. `migrate` builds it when an owner is large enough for it, of the vectors
-- of such owners alone: nobody else's insert pays for it.
create function afterthought.graph_of(model text, dimension integer) returns text
language sql immutable parallel safe
return 'memory_index_graph_' || to_hex(hashtextextended(model || E'\n' || dimension, 0));

-- What is left of building graphs: an index to drop that was not finished, and an index to create.
create function afterthought.missing_graphs() returns table (statement text)
language sql stable
begin atomic
    with wanted as (
        select distinct i.embedding_model as model, vector_dims(coalesce(i.embedding, i.long_embedding)) as dimension,
               i.embedding is null as is_long
        from (select distinct tenant, owner from afterthought.memory_totals where in_graph) o
        join afterthought.memory_index i on i.tenant = o.tenant and i.owner = o.owner and i.is_current and i.in_graph
        where i.embedding_model is not null
    ),
    graphs as (
        select w.*, afterthought.graph_of(w.model, w.dimension) as name, x.indisvalid as is_valid
        from wanted w
        left join pg_class c
            on c.relname = afterthought.graph_of(w.model, w.dimension) and c.relnamespace = 'afterthought'::regnamespace
        left join pg_index x on x.indexrelid = c.oid
        where w.dimension <= 4000
    )
    select format('drop index concurrently afterthought.%I', name) from graphs where not is_valid
    union all
    select format(
        'create index concurrently %I on afterthought.memory_index using hnsw ((%s::halfvec(%s)) halfvec_ip_ops) '
        'with (m = 16, ef_construction = 128) where is_current and in_graph and embedding_model = %L',
        name, case when is_long then 'long_embedding' else 'embedding' end, dimension, model)
    from graphs where is_valid is distinct from true;
end;

-- The current memories of an owner whose vectors are nearest, by the graph; perhaps fewer than wanted. Sorting is off so that
-- the graph is what the plan uses, and the scan goes on until there are enough or it has seen `max_scan_tuples`.
create function afterthought.nearest_by_graph(
    of_tenant text, of_owner text, asked halfvec, model text, wanted bigint)
returns table (memory_id uuid, similarity double precision)
language plpgsql rows 40
set enable_sort = off set hnsw.iterative_scan = relaxed_order set hnsw.ef_search = 200
set hnsw.max_scan_tuples = 40000 set hnsw.scan_mem_multiplier = 4
as $$
begin
    return query execute format(
        'select i.memory_id, -(i.%1$I::halfvec(%2$s) <#> $1) from afterthought.memory_index i
         where i.tenant = $2 and i.owner = $3 and i.is_current and i.in_graph and i.embedding_model = %3$L
           and (i.expires_at is null or i.expires_at > now())
         order by i.%1$I::halfvec(%2$s) <#> $1 limit $4',
        case when vector_dims(asked) <= 768 then 'embedding' else 'long_embedding' end, vector_dims(asked), model)
    using asked, of_tenant, of_owner, wanted;
end
$$;

-- The current memories of an owner whose vectors are nearest; those without a vector of this embedder come last. There
-- are as many as wanted when the owner has as many: what the graph does not bring, the exact look does.
--
-- Through the graph, a scan sees about `wanted * (vectors in the graph) / (the owner's)` rows until it has enough, and a row
-- seen there costs as much as twelve in an exact look at all of the owner's. The cheaper one is taken.
create function afterthought.nearest_memories(of_tenant text, of_owner text, asked halfvec, model text, wanted bigint)
returns table (memory_id uuid, similarity double precision)
language plpgsql rows 40
as $$
declare
    own bigint;
    is_large boolean;
    in_graph real;
    brought bigint := 0;
begin
    select sum(t.texts), bool_or(t.in_graph) into own, is_large
    from afterthought.memory_totals t where t.tenant = of_tenant and t.owner = of_owner;
    if is_large then
        select c.reltuples into in_graph
        from pg_class c join pg_index i on i.indexrelid = c.oid
        where c.oid = to_regclass('afterthought.' || afterthought.graph_of(model, vector_dims(asked))) and i.indisvalid;
        if 12.0 * wanted * in_graph < own::float8 * own then
            return query select * from afterthought.nearest_by_graph(of_tenant, of_owner, asked, model, wanted);
            get diagnostics brought = row_count;
            if brought >= wanted then
                return;
            end if;
        end if;
    end if;
    -- What the graph has brought comes twice; whoever asks takes each once.
    if vector_dims(asked) <= 768 then
        return query
            select i.memory_id, case when i.embedding_model = model then -(i.embedding <#> asked) end as similarity
            from afterthought.memory_index i
            where i.tenant = of_tenant and i.owner = of_owner and i.is_current
              and (i.expires_at is null or i.expires_at > now())
            order by 2 desc nulls last, i.valid_from desc, i.memory_id
            limit wanted;
    else
        return query
            select i.memory_id, case when i.embedding_model = model then -(i.long_embedding <#> asked) end as similarity
            from afterthought.memory_index i
            where i.tenant = of_tenant and i.owner = of_owner and i.is_current
              and (i.expires_at is null or i.expires_at > now())
            order by 2 desc nulls last, i.valid_from desc, i.memory_id
            limit wanted;
    end if;
end
$$;

-- Under row-level security no query could use it: `@@` is not leakproof.
drop index afterthought.memories_terms;
