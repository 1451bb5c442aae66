-- Why: an application that has a table of its own with what people say need not be changed: whoever owns the table says which
-- columns are what, and the replication reader follows it.
--
-- The stream carries the key of a new row and nothing else. The reader notes the key here, in the order of commits, and reads
-- the row itself by its key when its turn comes; so no text leaves in the stream, and the slot waits for nobody.

-- Reads the rows of adopted tables, the columns that are named and no others, and nothing else.
do $$
begin
    if not exists (select from pg_roles where rolname = 'afterthought_adopter') then
        create role afterthought_adopter nologin;
    end if;
exception
    when duplicate_object or unique_violation then null;
end
$$;
grant usage on schema afterthought to afterthought_adopter;

create table afterthought.adopted_tables (
    id uuid primary key default gen_random_uuid(),
    -- What it was called when it was adopted: the idempotency keys of its events begin with it, whatever it is called now.
    relation text not null unique,
    relid regclass not null unique,
    -- The entry as it was given.
    mapping jsonb not null check (jsonb_typeof(mapping) = 'object'),
    -- In the order of the table, as the stream sends them.
    key_columns text[] not null check (cardinality(key_columns) > 0),
    read_columns text[] not null,
    -- By which the rows of a session are in order; the key, if there is none.
    order_column text,
    version bigint not null default 1,
    adopted_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- When the rows that are there began to be read, the last of them that was, and when all of them had been.
    backfill_from timestamptz not null default clock_timestamp(),
    backfilled_through jsonb,
    backfilled_at timestamptz,
    rows_backfilled bigint not null default 0,
    rows_followed bigint not null default 0,
    rows_refused bigint not null default 0,
    -- Why nothing can be read at the moment.
    broken text check (octet_length(broken) <= 1000),
    broken_at timestamptz,
    check ((broken is null) = (broken_at is null))
) with (fillfactor = 50);

-- Rows that have been inserted since, in the order of commits, until they have been read.
create table afterthought.adopted_arrivals (
    adoption_id uuid not null references afterthought.adopted_tables on delete cascade,
    position bigint generated always as identity,
    -- The values of the key as texts.
    key jsonb not null,
    -- When they were committed.
    written_at timestamptz not null,
    primary key (adoption_id, position)
);

-- Rows that became no event: why, and never what they say.
create table afterthought.adopted_refusals (
    adoption_id uuid not null references afterthought.adopted_tables on delete cascade,
    key jsonb not null,
    reason text not null check (octet_length(reason) <= 1000),
    -- Whose row it is, where that can be told, so that it goes when they are erased.
    user_digest bytea check (octet_length(user_digest) = 32),
    refused_at timestamptz not null default now(),
    primary key (adoption_id, key)
);
-- A key may name somebody: no sample of them goes into the statistics.
alter table afterthought.adopted_arrivals alter column key set statistics 0;
alter table afterthought.adopted_refusals alter column key set statistics 0;
alter table afterthought.adopted_tables alter column backfilled_through set statistics 0;

do $$
declare
    table_name text;
begin
    foreach table_name in array array['adopted_tables', 'adopted_arrivals', 'adopted_refusals'] loop
        execute format('alter table afterthought.%I enable row level security, force row level security', table_name);
        execute format('create policy owner_all on afterthought.%I to current_user using (true) with check (true)', table_name);
        execute format(
            'create policy operator_sees on afterthought.%I for select to afterthought_operator using (true)', table_name);
        execute format('grant select on afterthought.%I to afterthought_operator', table_name);
    end loop;
end
$$;
create policy reader_all on afterthought.adopted_tables to afterthought_reader using (true) with check (true);
create policy reader_all on afterthought.adopted_arrivals to afterthought_reader using (true) with check (true);
create policy adopter_sees on afterthought.adopted_tables for select to afterthought_adopter using (true);
grant select on afterthought.adopted_tables to afterthought_reader, afterthought_adopter;
grant update (backfilled_through, backfilled_at, rows_backfilled, rows_followed, rows_refused, broken, broken_at)
    on afterthought.adopted_tables to afterthought_reader;
grant select, insert, delete on afterthought.adopted_arrivals to afterthought_reader;
-- A row of a tenant that is not there becomes no event.
create policy reader_positions on afterthought.tenants for select to afterthought_reader using (true);
grant select (tenant) on afterthought.tenants to afterthought_reader;

-- Notes rows that became no event: the last 1,000 of a table, for 30 days. Of somebody who was erased after the row was
-- written, nothing is noted.
create function afterthought.record_refusals(
    of_adoption uuid, keys jsonb[], reasons text[], of_tenants text[], of_users text[], written_at timestamptz[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into afterthought.adopted_refusals as known (adoption_id, key, reason, user_digest)
    select distinct on (r.key) of_adoption, r.key, r.reason,
           case when r.of_user is not null then afterthought.subject_digest(r.of_tenant, r.of_user) end
    from unnest(keys, reasons, of_tenants, of_users, written_at)
        with ordinality as r (key, reason, of_tenant, of_user, written_at, place)
    where r.of_user is null
       or not exists (
           select from afterthought.erasures e
           where e.tenant = r.of_tenant and e.user_digest = afterthought.subject_digest(r.of_tenant, r.of_user)
             and e.subject <> 'memory' and e.erased_at >= r.written_at)
    order by r.key, r.place desc
    on conflict (adoption_id, key) do update
        set reason = excluded.reason, user_digest = excluded.user_digest, refused_at = excluded.refused_at;
    delete from afterthought.adopted_refusals r
    where r.adoption_id = of_adoption
      and (r.refused_at < now() - interval '30 days'
           or r.key in (
               select o.key from afterthought.adopted_refusals o
               where o.adoption_id = of_adoption order by o.refused_at desc, o.key offset 1000));
end
$$;

create function afterthought.forget_refusals() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    delete from afterthought.adopted_refusals r where r.user_digest = new.user_digest;
    return null;
end
$$;
create trigger erasures_forget_refusals after insert on afterthought.erasures for each row
    when (new.subject <> 'memory')
    execute function afterthought.forget_refusals();

-- The parts of the statements that read an adopted table. Its own columns are `t`.

-- A row as JSON: the columns that the mapping reads.
create function afterthought.adopted_row(adoption afterthought.adopted_tables) returns text
language sql stable
return (
    select format('jsonb_build_object(%s)', string_agg(format('%L::text, t.%I', c.name, c.name), ', '))
    from unnest(adoption.read_columns) as c (name)
);

-- The key of a row as texts.
create function afterthought.adopted_key(adoption afterthought.adopted_tables) returns text
language sql stable
return (
    select format('jsonb_build_array(%s)', string_agg(format('t.%I::text', c.name), ', ' order by c.place))
    from unnest(adoption.key_columns) with ordinality as c (name, place)
);

-- Whether a row is one of those that are wanted.
create function afterthought.adopted_filter(adoption afterthought.adopted_tables) returns text
language sql stable
return coalesce((
    select string_agg(
        case jsonb_typeof(f.value)
            when 'null' then format('t.%I is null', f.key)
            else format('t.%I = %L', f.key, f.value #>> '{}')
        end, ' and ')
    from jsonb_each(adoption.mapping -> 'filter') as f
), 'true');

-- A column's type as a cast; a message that names the column when it is not there any more.
create function afterthought.adopted_type(adoption afterthought.adopted_tables, column_name text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    found_type text;
begin
    select format_type(a.atttypid, null) into found_type
    from pg_attribute a
    where a.attrelid = adoption.relid and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
    if found_type is null then
        raise exception 'column % of % is not there any more', quote_ident(column_name), adoption.relation
            using errcode = 'undefined_column';
    end if;
    return found_type;
end
$$;

-- The adoption, if its table is there.
create function afterthought.find_adoption(of_adoption uuid) returns afterthought.adopted_tables
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    adoption afterthought.adopted_tables;
begin
    select * into adoption from afterthought.adopted_tables a where a.id = of_adoption;
    if adoption.id is null then
        raise exception 'the adoption has ended' using errcode = 'no_data_found';
    elsif not exists (select from pg_class c where c.oid = adoption.relid) then
        raise exception 'the table % is not there any more', adoption.relation using errcode = 'undefined_table';
    end if;
    return adoption;
end
$$;

-- Opens the cursor `afterthought_backfill` over the keys of the rows that are there and have not been read, in order. It
-- outlives the transaction and holds nothing of the table: the server sorts the keys once and keeps them for the session.
-- Acts with the caller's rights.
create function afterthought.open_backfill(of_adoption uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    adoption afterthought.adopted_tables := afterthought.find_adoption(of_adoption);
    after jsonb := adoption.backfilled_through;
    columns text;
    last_read text;
    wanted text := afterthought.adopted_filter(adoption);
begin
    select string_agg(format('t.%I', c.name), ', ' order by c.place),
           string_agg(
               format('%L::%s', after -> 'key' ->> (c.place - 1)::int, afterthought.adopted_type(adoption, c.name)), ', '
               order by c.place)
    into columns, last_read
    from unnest(adoption.key_columns) with ordinality as c (name, place);
    if after is null then
        null;
    elsif adoption.order_column is null then
        wanted := format('%s and (%s) > (%s)', wanted, columns, last_read);
    elsif after ->> 'order' is null then
        wanted := format('%s and (t.%I is not null or (%s) > (%s))', wanted, adoption.order_column, columns, last_read);
    else
        wanted := format(
            '%s and (t.%I, %s) > (%L::%s, %s)', wanted, adoption.order_column, columns, after ->> 'order',
            afterthought.adopted_type(adoption, adoption.order_column), last_read);
    end if;
    execute format(
        'declare afterthought_backfill no scroll cursor with hold for '
        'select jsonb_build_object(''order'', %1$s, ''key'', %2$s) as place, %2$s as key from %3$s t where %4$s order by %5$s',
        case when adoption.order_column is null then 'null' else format('t.%I::text', adoption.order_column) end,
        afterthought.adopted_key(adoption), adoption.relid::text, wanted,
        case when adoption.order_column is null then '' else format('t.%I nulls first, ', adoption.order_column) end || columns);
end
$$;

-- Rows by their keys, with the place of each among the keys and how long it is as JSON. A row that is gone or not wanted is
-- left out; one that is longer than `row_bytes`, and whatever comes after `most_bytes` of others, comes without its data.
-- Acts with the caller's rights. Each row is looked up by its key, whatever the statistics of the table say.
create function afterthought.read_adopted(of_adoption uuid, keys jsonb, row_bytes bigint, most_bytes bigint)
returns table (place bigint, bytes bigint, data jsonb)
language plpgsql stable rows 500 set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    adoption afterthought.adopted_tables := afterthought.find_adoption(of_adoption);
    is_key text;
begin
    select string_agg(
               format('t.%I = (k.key ->> %s)::%s', c.name, c.place - 1, afterthought.adopted_type(adoption, c.name)), ' and ')
    into is_key
    from unnest(adoption.key_columns) with ordinality as c (name, place);
    return query execute format(
        'select w.place, w.bytes, case when w.bytes <= $2 and w.before <= $3 then w.data end
         from (
             select s.*, coalesce(sum(s.bytes) filter (where s.bytes <= $2)
                 over (order by s.place rows between unbounded preceding and 1 preceding), 0) as before
             from (
                 select r.place, r.data, octet_length(r.data::text)::bigint as bytes
                 from (
                     select k.place, %s as data
                     from jsonb_array_elements($1) with ordinality as k (key, place) join %s t on %s
                     where %s
                 ) r
             ) s
         ) w
         order by w.place',
        afterthought.adopted_row(adoption), adoption.relid::text, is_key, afterthought.adopted_filter(adoption))
    using keys, row_bytes, most_bytes;
end
$$;

revoke execute on function afterthought.record_refusals, afterthought.forget_refusals, afterthought.open_backfill,
    afterthought.read_adopted, afterthought.find_adoption from public;
grant execute on function afterthought.record_refusals to afterthought_reader;
grant execute on function afterthought.open_backfill, afterthought.read_adopted, afterthought.find_adoption
    to afterthought_adopter;

-- The reader hears of a new adoption as it hears of everything else. Rows of a partitioned table come under its own name.
alter publication afterthought add table afterthought.adopted_tables (id);
alter publication afterthought set (publish_via_partition_root = true);
