-- Why: a deploy looks once, and not every time, for memories that are from before their index; and a graph answers for an
-- owner only when all of the owner's memories are in it.

-- What `migrate` has done that need not be done again. To rebuild the index of memories, empty `memory_words`,
-- `memory_index` and `memory_totals`, and delete the row `memories indexed`.
create table afterthought.upkeep (
    done text primary key,
    done_at timestamptz not null default now()
);
alter table afterthought.upkeep enable row level security, force row level security;
create policy owner_all on afterthought.upkeep to current_user using (true) with check (true);
grant select on afterthought.upkeep to afterthought_agent;

-- Whether every memory of the owner is in the graph. Those who were marked before enter once more, because what was
-- inserted while they were being marked may be missing; until then the exact look answers for them.
alter table afterthought.memory_totals add column is_entered boolean not null default false;

-- The current memories of an owner whose vectors are nearest; those without a vector of this embedder come last. There
-- are as many as wanted when the owner has as many: what the graph does not bring, the exact look does.
--
-- Through the graph, a scan sees about `wanted * (vectors in the graph) / (the owner's)` rows until it has enough, and a row
-- seen there costs as much as twelve in an exact look at all of the owner's. The cheaper one is taken.
create or replace function afterthought.nearest_memories(
    of_tenant text, of_owner text, asked halfvec, model text, wanted bigint)
returns table (memory_id uuid, similarity double precision)
language plpgsql rows 40
as $$
declare
    own bigint;
    is_large boolean;
    in_graph real;
    brought bigint := 0;
begin
    select sum(t.texts), bool_or(t.is_entered) into own, is_large
    from afterthought.memory_totals t where t.tenant = of_tenant and t.owner = of_owner;
    -- Most have nothing that belongs to everybody of the tenant.
    if own is null then
        return;
    end if;
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
