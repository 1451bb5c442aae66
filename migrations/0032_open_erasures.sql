-- Why: an erasure stays open while something holds it up, and nobody was told that it does, or what that is.

-- How many erasures of each tenant are open, and since when the oldest is. It sees all tenants and tells nothing else of them.
create function afterthought.open_erasures() returns table (tenant text, open bigint, oldest timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select e.tenant, count(*), min(e.erased_at)
    from afterthought.erasures e
    where e.completed_at is null
    group by e.tenant;
end;
revoke execute on function afterthought.open_erasures from public;
grant execute on function afterthought.open_erasures to afterthought_keeper;

-- What an open erasure of the tenant that is named waits for, in the order in which it is gone through; the last look when it is nothing
-- else, and null when it is complete. Of adopted tables it tells those that may have rows of the tenant, by their names. As in the
-- query by which the janitor decides, a transaction counts that had begun when the row of the erasure was written last.
create function afterthought.erasure_waits_for(of_erasure uuid) returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    with erasure as materialized (
        select e.id, e.tenant, e.subject, e.names, e.erased_at, e.purged_at, e.xmin as written_by
        from afterthought.erasures e
        where e.id = of_erasure and e.tenant = afterthought.current_tenant() and e.completed_at is null
    ),
    waits as (
        select 1 as place, 'hot_state' as reason, null as relation, null as state
        from erasure e
        where (e.names ->> 'hot_is_left')::boolean
        union all
        select 2, 'archive', null, null
        from erasure e
        where exists (
            select from afterthought.erased_sessions d join afterthought.archive_objects o on o.session_id = d.session_id
            where d.erasure_id = e.id)
        union all
        select 3, 'rows', null, null
        from erasure e
        where e.purged_at is null
           or exists (select from afterthought.erased_sessions d where d.erasure_id = e.id and not d.is_purged)
        union all
        select 4, 'transactions', null, null
        from erasure e
        where exists (
            select from pg_stat_activity a
            where a.datid = (select d.oid from pg_database d where d.datname = current_database())
              and a.backend_xid is not null and age(a.backend_xid) > age(e.written_by))
        union all
        select 5, 'adopted_table', a.relation,
               case when a.broken is not null then 'broken' when a.backfilled_through is not null then 'backfill' else 'unread' end
        from erasure e
        join afterthought.adopted_tables a on coalesce(a.mapping #>> '{tenant,value}', e.tenant) = e.tenant
        where e.subject <> 'memory'
          and (a.backfilled_through is not null
               or exists (
                   select from afterthought.adopted_arrivals n where n.adoption_id = a.id and n.written_at <= e.erased_at))
    )
    select coalesce(
        (select jsonb_agg(
                    jsonb_strip_nulls(jsonb_build_object('reason', w.reason, 'table', w.relation, 'state', w.state))
                    order by w.place, w.relation)
         from waits w),
        '[{"reason": "last_look"}]')
    from erasure;
end;
revoke execute on function afterthought.erasure_waits_for from public;
grant execute on function afterthought.erasure_waits_for to afterthought_agent, afterthought_keeper;
