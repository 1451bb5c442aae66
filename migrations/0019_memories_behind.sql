-- Why: a memory waits to be embedded without a cursor that says so. When the wake-up for it is lost, the sweep has to find
-- it, and the sweep acts as the reader, who may not read memories.

-- A session of every user who has memories without an embedding that have not changed since `until`. Whoever is woken for
-- it embeds all that the user has.
create function afterthought.memories_behind(until timestamptz, most bigint)
returns table (tenant text, session_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select m.tenant, (array_agg(m.session_id))[1]
    from afterthought.memories m
    where m.embedding is null and m.status = 'active' and m.session_id is not null and m.updated_at <= until
    group by m.tenant, coalesce(m.user_id, m.session_id::text)
    limit most
$$;
revoke all on function afterthought.memories_behind(timestamptz, bigint) from public;
grant execute on function afterthought.memories_behind(timestamptz, bigint) to afterthought_reader;
