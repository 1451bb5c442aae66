-- Of every table that a request may write to, how many rows it has and the newest transaction that wrote one of them:
-- whatever inserts, updates or deletes a row changes one of the two. What reading itself leaves behind is left out.
create function pg_temp.extents() returns table (name text, extent text) language plpgsql as $$
begin
    for name in
        select c.relname::text
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'afterthought' and c.relkind = 'r' and c.relname not in ('memory_access', 'snapshots', 'upkeep')
    loop
        execute format('select count(*) || '' '' || coalesce(max(xmin::text::bigint), 0) from afterthought.%I', name)
        into extent;
        return next;
    end loop;
end
$$
