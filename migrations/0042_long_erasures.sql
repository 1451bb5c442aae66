-- Why: an erasure of many sessions goes on where it ended, one that waits for a prepared transaction says so, and a key that an
-- application chose is not repeated in a message that is logged.

-- The erasure, by when it was made, of whose last look a session was part: nothing of it is left in hot state and in the archive. An
-- erasure that is made once more has another time, so that its sessions are looked at again.
alter table afterthought.erased_sessions add column swept_for timestamptz;

-- Whether a transaction of this database is open that had written something before another began: one that is under way, or one that
-- is prepared and belongs to no connection.
create function afterthought.is_anybody_before(other xid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select exists (
        select
        from pg_stat_activity a
        where a.datid = (select d.oid from pg_database d where d.datname = current_database())
          and a.backend_xid is not null and age(a.backend_xid) > age(other)
    ) or exists (
        select
        from pg_prepared_xacts p
        where p.database = current_database() and age(p.transaction) > age(other)
    );
end;
revoke execute on function afterthought.is_anybody_before from public;
grant execute on function afterthought.is_anybody_before to afterthought_keeper;

-- As in 0032, and prepared transactions count.
create or replace function afterthought.erasure_waits_for(of_erasure uuid) returns jsonb
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
        where afterthought.is_anybody_before(e.written_by)
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

-- As in 0034, but the message does not say which key it was: callers choose keys, and messages are logged.
create or replace function afterthought.skip_repeat() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    same_content boolean;
begin
    select e.event_type = new.event_type and e.role is not distinct from new.role
           and e.speaker is not distinct from new.speaker
           and case
               when e.archived_digest is not null
                   then e.archived_digest = afterthought.event_digest(new.content, new.metadata)
               else e.content is not distinct from new.content and e.metadata = new.metadata
           end
    into same_content
    from afterthought.session_events e
    where e.session_id = new.session_id and e.idempotency_key = new.idempotency_key;
    if not found then
        return new;
    end if;
    if not same_content then
        raise exception 'idempotency_key was used in this session for other content, expected one of its own'
            using errcode = 'unique_violation', schema = 'afterthought', table = 'messages', column = 'idempotency_key';
    end if;
    perform set_config('afterthought.open_head', (new.version - 1)::text, true);
    return null;
end
$$;
