-- Why: rows of an adopted table were missed that came while it was not in the publication and had been put back by hand, and
-- those of a renamed table when another one was adopted under the name it had.

-- The entry of the publication that a table is in; another one when it was taken out and put back.
create function afterthought.publication_entry(relid oid) returns oid
language sql stable
return (
    select r.oid from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
    where p.pubname = 'afterthought' and r.prrelid = relid
);

-- Which one the table was in when its rows began to be read: under another one, rows may have come that are in no stream.
alter table afterthought.adopted_tables add column published_as oid;
update afterthought.adopted_tables a set published_as = afterthought.publication_entry(a.relid);
-- The reader has a table read from its beginning that was put back.
grant update (version, backfill_from, published_as) on afterthought.adopted_tables to afterthought_reader;

-- Adopts a table, or takes another entry for one that is adopted. Answers what is there now.
create or replace function afterthought.adopt(entry jsonb) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
    known constant text[] := array['relation', 'key', 'tenant', 'user', 'session', 'role', 'roles', 'content', 'speaker',
                                   'occurred_at', 'order', 'filter'];
    our_roles constant text[] := array['user', 'assistant', 'system', 'tool'];
    field text;
    place_column text;
    parts text[];
    relid regclass;
    told record;
    adoption afterthought.adopted_tables;
    before afterthought.adopted_tables;
    all_columns text[];
    is_published boolean;
    lets_read boolean;
begin
    if jsonb_typeof(entry) is distinct from 'object' then
        perform afterthought.refuse_entry('entry', 'must be a JSON object');
    end if;
    select k into field from jsonb_object_keys(entry) k where k <> all(known) order by k limit 1;
    if found then
        perform afterthought.refuse_entry(field, 'is unknown, expected ' || array_to_string(known, ', '));
    end if;
    entry := jsonb_strip_nulls(entry - 'filter') || case when entry -> 'filter' <> 'null' then
        jsonb_build_object('filter', entry -> 'filter') else '{}' end;

    -- The table, and whether its changes are in the WAL.
    begin
        parts := parse_ident(entry ->> 'relation');
    exception
        when invalid_parameter_value then null;
    end;
    if jsonb_typeof(entry -> 'relation') is distinct from 'string' or coalesce(cardinality(parts), 0) <> 2 then
        perform afterthought.refuse_entry('relation', 'must be a table with its schema, such as "public.messages"');
    end if;
    relid := to_regclass(entry ->> 'relation');
    if relid is null then
        perform afterthought.refuse_entry('relation', format('is %s, which does not exist in this database', entry ->> 'relation'));
    end if;
    select c.relkind, c.relpersistence, c.relrowsecurity, n.nspname as schema into told
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relid;
    if told.relkind not in ('r', 'p') then
        perform afterthought.refuse_entry('relation', format('is %s, expected a table: a view or foreign table does not stream', relid));
    elsif told.relpersistence <> 'p' then
        perform afterthought.refuse_entry('relation', format('is %s, which is unlogged or temporary and does not stream', relid));
    elsif told.schema in ('afterthought', 'pg_catalog', 'information_schema') then
        perform afterthought.refuse_entry('relation', format('is %s, expected a table of the application', relid));
    elsif exists (select from pg_inherits i join pg_class c on c.oid = i.inhparent where i.inhrelid = relid and c.relkind = 'p') then
        perform afterthought.refuse_entry('relation', format('is %s, a partition: adopt the partitioned table', relid));
    elsif current_setting('wal_level') <> 'logical' then
        perform afterthought.refuse_entry('relation', format(
            'cannot be followed: wal_level is %s, expected logical', current_setting('wal_level')));
    elsif afterthought.hiding_policy(relid) is not null then
        perform afterthought.refuse_entry('relation', format(
            'is %s, whose restrictive policy %s may hide rows from afterthought_adopter: name the roles it is for with '
            '"alter policy … to …"', relid, quote_ident(afterthought.hiding_policy(relid))));
    elsif not exists (select from pg_publication where pubname = 'afterthought') then
        perform afterthought.refuse_entry('relation', 'cannot be followed: the publication afterthought does not exist');
    end if;

    -- Where the parts are.
    adoption.relation := relid::text;
    adoption.relid := relid;
    adoption.mapping := entry;
    adoption.read_columns := '{}';
    foreach field in array array['tenant', 'user', 'session', 'content', 'role', 'speaker', 'occurred_at'] loop
        if not entry ? field then
            if field in ('tenant', 'user', 'session', 'content') then
                perform afterthought.refuse_entry(field, 'is missing, expected a column such as "/body", or {"value": "a text"}');
            end if;
            continue;
        end if;
        place_column := afterthought.check_place(field, entry -> field, relid);
        if place_column is not null then
            adoption.read_columns := adoption.read_columns || place_column;
        elsif field in ('content', 'occurred_at') then
            perform afterthought.refuse_entry(field, 'must be a column such as "/body": it differs from row to row');
        end if;
    end loop;
    select array_agg(distinct c) into adoption.read_columns from unnest(adoption.read_columns) c;
    if entry -> 'tenant' ? 'value'
       and not exists (select from afterthought.tenants t where t.tenant = entry -> 'tenant' ->> 'value') then
        perform afterthought.refuse_entry('tenant', format('is %L, which is not a tenant', entry -> 'tenant' ->> 'value'));
    end if;
    if entry ? 'roles' then
        if jsonb_typeof(entry -> 'roles') <> 'object'
           or exists (select from jsonb_each(entry -> 'roles') r where jsonb_typeof(r.value) <> 'string' or r.value #>> '{}' <> all(our_roles)) then
            perform afterthought.refuse_entry(
                'roles', 'must be an object from the application''s words to user, assistant, system or tool');
        end if;
    end if;
    if entry -> 'role' ? 'value'
       and coalesce(entry -> 'roles' ->> (entry -> 'role' ->> 'value'), entry -> 'role' ->> 'value') <> all(our_roles) then
        perform afterthought.refuse_entry('role', format('is %L, expected user, assistant, system or tool', entry -> 'role' ->> 'value'));
    end if;

    -- What names a row, and what is before what.
    adoption.key_columns := afterthought.check_key(entry -> 'key', relid);
    if entry ? 'order' then
        if jsonb_typeof(entry -> 'order') <> 'string' then
            perform afterthought.refuse_entry('order', 'must be a column such as "/created_at"');
        end if;
        adoption.order_column := afterthought.check_place('order', entry -> 'order', relid);
    elsif entry ->> 'occurred_at' ~ '^/[^/]+$' then
        adoption.order_column := afterthought.check_place('occurred_at', entry -> 'occurred_at', relid);
    elsif not exists (
        select from pg_attribute a
        where a.attrelid = relid and a.attname = any(adoption.key_columns)
          and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    ) then
        perform afterthought.refuse_entry(
            'order', 'is needed: neither `occurred_at` nor the key says in which order the rows of a session are');
    end if;
    if adoption.order_column is not null and exists (
        select from pg_attribute a where a.attrelid = relid and a.attname = adoption.order_column
          and a.atttypid in ('json'::regtype, 'jsonb'::regtype)) then
        perform afterthought.refuse_entry('order', format('is column %s, which is JSON and in no order', quote_ident(adoption.order_column)));
    end if;
    if adoption.order_column is not null then
        begin
            execute format('select from %s t where false order by t.%I', relid, adoption.order_column);
        exception
            when undefined_function then
                select format_type(a.atttypid, a.atttypmod) as type into told
                from pg_attribute a where a.attrelid = relid and a.attname = adoption.order_column;
                perform afterthought.refuse_entry('order', format(
                    'is column %s, which is %s and in no order', quote_ident(adoption.order_column), told.type));
        end;
    end if;
    all_columns := adoption.read_columns || adoption.key_columns
        || case when adoption.order_column is null then '{}' else array[adoption.order_column] end;
    if entry ? 'filter' then
        if jsonb_typeof(entry -> 'filter') <> 'object' then
            perform afterthought.refuse_entry('filter', 'must be an object from columns to the value that is wanted');
        end if;
        for told in
            select f.key, f.value, a.attname from jsonb_each(entry -> 'filter') f
            left join pg_attribute a on a.attrelid = relid and a.attname = f.key and a.attnum > 0 and not a.attisdropped
        loop
            if told.attname is null then
                perform afterthought.refuse_entry('filter', format('names column %s, which %s does not have', quote_ident(told.key), relid));
            elsif jsonb_typeof(told.value) in ('object', 'array') then
                perform afterthought.refuse_entry('filter', format('of column %s must be a text, a number, true, false or null', quote_ident(told.key)));
            end if;
            all_columns := all_columns || told.key;
        end loop;
        begin
            execute format('select from %s t where false and %s', relid, afterthought.adopted_filter(adoption));
        exception
            when data_exception or undefined_function or datatype_mismatch then
                perform afterthought.refuse_entry('filter', 'cannot be compared: ' || sqlerrm);
        end;
    end if;
    select array_agg(distinct c) into all_columns from unnest(all_columns) c;

    -- Two that adopt the same table at once wait for each other here.
    perform pg_advisory_xact_lock(hashtextextended('afterthought adopts ' || relid, 21));
    -- This table, whatever it was called when it was adopted; or else one that was called so.
    select * into before from afterthought.adopted_tables a
    where a.relid = adoption.relid or a.relation = adoption.relation
    order by a.relid = adoption.relid desc
    limit 1;
    if before.relid <> relid and exists (select from pg_class c where c.oid = before.relid) then
        perform afterthought.refuse_entry('relation', format(
            'is %s, under which name %s is followed: end that adoption first, with afterthought.end_adoption(%L)',
            adoption.relation, before.relid, before.relation));
    end if;
    if before.relid = relid and before.key_columns <> adoption.key_columns then
        perform afterthought.refuse_entry('key', format(
            'is %s, and the table was adopted by %s: end the adoption first', adoption.key_columns, before.key_columns));
    end if;
    -- It is, and has been ever since it was read.
    is_published := coalesce(
        afterthought.publishes_key(relid, adoption.key_columns) and before.published_as = afterthought.publication_entry(relid),
        false);
    lets_read := afterthought.lets_adopter_read(relid);
    begin
        -- A policy takes the whole table. The strongest lock comes first: whoever waits for a stronger one than it has may
        -- wait for somebody who waits for it.
        if not lets_read then
            execute format('lock table only %s in access exclusive mode', relid);
        end if;
        -- Whoever is writing to the table now ends first: what they wrote is in the backfill, and all that comes after this
        -- transaction is in the stream.
        if not is_published then
            execute format('lock table %s in share row exclusive mode', relid);
        end if;
    exception
        when lock_not_available then
            raise exception '% is in use by a transaction that takes longer than 5 seconds: try again', relid
                using errcode = 'lock_not_available';
    end;
    if not is_published then
        -- It may be there with other columns, which are nobody's business, or since nobody knows when.
        if exists (
            select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
            where p.pubname = 'afterthought' and r.prrelid = relid) then
            execute format('alter publication afterthought drop table %s', relid);
        end if;
        execute format(
            'alter publication afterthought add table %s (%s)', relid,
            (select string_agg(quote_ident(c), ', ') from unnest(adoption.key_columns) c));
    end if;
    select n.nspname as schema into told
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relid;
    if not has_schema_privilege('afterthought_adopter', told.schema, 'usage') then
        execute format('grant usage on schema %I to afterthought_adopter', told.schema);
    end if;
    execute format('revoke all on %s from afterthought_adopter', relid);
    execute format(
        'grant select (%s) on %s to afterthought_adopter',
        (select string_agg(quote_ident(c), ', ') from unnest(all_columns) c), relid);
    -- Row-level security may be switched on at any time; a policy does nothing until then.
    if not lets_read then
        execute format('drop policy if exists afterthought_adopter on %s', relid);
        execute format(
            'create policy afterthought_adopter on %s for select to afterthought_adopter using (true)', relid);
    end if;

    if before.id is null then
        insert into afterthought.adopted_tables
            (relation, relid, mapping, key_columns, read_columns, order_column, published_as)
        values (adoption.relation, adoption.relid, entry, adoption.key_columns, adoption.read_columns, adoption.order_column,
                afterthought.publication_entry(adoption.relid))
        returning * into adoption;
    else
        -- What was noted of another table; what came with other columns than those of the key is in the backfill.
        delete from afterthought.adopted_arrivals a
        where a.adoption_id = before.id
          and (before.relid <> relid or jsonb_array_length(a.key) <> cardinality(adoption.key_columns));
        delete from afterthought.adopted_refusals r
        where r.adoption_id = before.id and jsonb_array_length(r.key) <> cardinality(adoption.key_columns);
        -- Rows that the stream may have missed are read again; those that are stored come to nothing.
        update afterthought.adopted_tables a
        set relid = adoption.relid, mapping = entry, key_columns = adoption.key_columns,
            read_columns = adoption.read_columns, order_column = adoption.order_column,
            published_as = afterthought.publication_entry(adoption.relid),
            version = a.version + 1, updated_at = now(), broken = null, broken_at = null,
            backfill_from = case when is_published then a.backfill_from else clock_timestamp() end,
            backfilled_at = case when is_published then a.backfilled_at end,
            backfilled_through = case
                when is_published and a.order_column is not distinct from adoption.order_column then a.backfilled_through
            end
        where a.id = before.id
        returning * into adoption;
    end if;
    return jsonb_build_object(
        'relation', adoption.relation, 'key', adoption.key_columns, 'order', adoption.order_column, 'version', adoption.version,
        'adopted_at', adoption.adopted_at, 'backfilled_at', adoption.backfilled_at);
end
$$;

-- Ends an adoption: the table is followed no more, and what of it is stored stays. Answers whether there was one. Of two tables the
-- one goes that was called so when it was adopted.
create or replace function afterthought.end_adoption(relation text) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
    adoption afterthought.adopted_tables;
begin
    select * into adoption from afterthought.adopted_tables a
    where a.relation = end_adoption.relation or a.relid = to_regclass(end_adoption.relation)
    order by a.relation = end_adoption.relation desc
    limit 1
    for update;
    if adoption.id is null then
        return false;
    end if;
    if exists (select from pg_class c where c.oid = adoption.relid) then
        if exists (
            select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
            where p.pubname = 'afterthought' and r.prrelid = adoption.relid) then
            execute format('alter publication afterthought drop table %s', adoption.relid);
        end if;
        execute format('revoke all on %s from afterthought_adopter', adoption.relid);
        execute format('drop policy if exists afterthought_adopter on %s', adoption.relid);
    end if;
    delete from afterthought.adopted_tables a where a.id = adoption.id;
    return true;
end
$$;
