-- Why: the key of a row of an adopted table may name somebody. What is noted of such rows is part of an erasure: of those that
-- became no event, and of those that wait to be read.

-- What is noted of adopted tables that is, or may be, of a user and was noted by a time. Whose a row is that waits is not known
-- before it has been read, nor is whose the last one was that a backfill has read: each of a table that may have rows of the
-- tenant counts. It sees what is noted of every tenant and tells how much there is.
create function afterthought.adopted_left(of_tenant text, of_user text, noted_by timestamptz)
returns table (layer text, remaining bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    with of_the_tenant as (
        select a.id, a.backfilled_through
        from afterthought.adopted_tables a
        where coalesce(a.mapping #>> '{tenant,value}', of_tenant) = of_tenant
    ),
    counted as (
        select 'adopted_refusals' as layer, count(*) as remaining
        from afterthought.adopted_refusals r
        where r.user_digest = afterthought.subject_digest(of_tenant, of_user) and r.refused_at <= noted_by
        union all
        select 'adopted_arrivals', count(*)
        from of_the_tenant t join afterthought.adopted_arrivals n on n.adoption_id = t.id
        where n.written_at <= noted_by
        union all
        select 'adopted_tables', count(*) from of_the_tenant t where t.backfilled_through is not null
    )
    select c.layer, c.remaining from counted c where c.remaining > 0;
end;
revoke execute on function afterthought.adopted_left from public;
grant execute on function afterthought.adopted_left to afterthought_keeper;

-- As before, with what is noted of adopted tables.
alter function afterthought.verify_erasure(text, text, text) rename to verify_erased_rows;
create function afterthought.verify_erasure(of_tenant text, of_user text, of_session text default null)
returns table (layer text, remaining bigint)
language sql stable
begin atomic
    select v.layer, v.remaining from afterthought.verify_erased_rows(of_tenant, of_user, of_session) v
    union all
    select l.layer, l.remaining
    from afterthought.erased_at(of_tenant, of_user, of_session) as erased (at),
         afterthought.adopted_left(of_tenant, of_user, erased.at) l
    where erased.at is not null;
end;

-- An erasure and the note of a row that became no event wait for each other: whichever is first, the other sees it.
alter function afterthought.record_refusals(uuid, jsonb[], text[], text[], text[], timestamptz[]) rename to note_refusals;
create function afterthought.record_refusals(
    of_adoption uuid, keys jsonb[], reasons text[], of_tenants text[], of_users text[], written_at timestamptz[])
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform afterthought.hold_off_erasures(array_agg(r.tenant), array_agg(r.user_id))
    from unnest(of_tenants, of_users) as r (tenant, user_id)
    where r.user_id is not null;
    perform afterthought.note_refusals(of_adoption, keys, reasons, of_tenants, of_users, written_at);
end
$$;
revoke execute on function afterthought.record_refusals from public;
grant execute on function afterthought.record_refusals to afterthought_reader;
revoke execute on function afterthought.note_refusals from afterthought_reader;

-- Since Postgres 17 a role may be allowed to vacuum what is another's.
do $$
begin
    if current_setting('server_version_num')::int >= 170000 then
        grant maintain on afterthought.adopted_refusals, afterthought.adopted_arrivals to afterthought_keeper;
    end if;
end
$$;
