-- Why: the keys of rows of adopted tables that became no event were to be kept for 30 days, and were kept until the next row of the table
-- was refused. The janitor clears them away now, after a period that is a setting.

-- As in 0021, without a period: the last 1,000 of a table.
create or replace function afterthought.note_refusals(
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
      and r.key in (
          select o.key from afterthought.adopted_refusals o
          where o.adoption_id = of_adoption order by o.refused_at desc, o.key offset 1000);
end
$$;

-- Clears away what was refused before a time, at most so many, or only counts them. Tables are the deployment's: it sees those of all
-- tenants and tells how many there were.
create function afterthought.tidy_refusals(refused_before timestamptz, most bigint, only_count boolean) returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    with old as materialized (
        select r.adoption_id, r.key from afterthought.adopted_refusals r where r.refused_at < refused_before limit most
    ),
    gone as (
        delete from afterthought.adopted_refusals r
        using old o
        where not only_count and r.adoption_id = o.adoption_id and r.key = o.key
    )
    select count(*) from old;
end;
revoke execute on function afterthought.tidy_refusals from public;
grant execute on function afterthought.tidy_refusals to afterthought_keeper;
