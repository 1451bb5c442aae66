-- Why: what was accepted before an erasure that was asked for again came back, what an agent carried along of an erased session was
-- overlooked, and what began anew while an erasure was under way was taken for what had been there before.

-- When an erasure was asked for first, where it was asked for again while it was open: `erased_at` is the last time.
alter table afterthought.erasures add column asked_at timestamptz;

-- As in 0032: an erasure is as old as the first time it was asked for.
create or replace function afterthought.open_erasures() returns table (tenant text, open bigint, oldest timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select e.tenant, count(*), min(coalesce(e.asked_at, e.erased_at))
    from afterthought.erasures e
    where e.completed_at is null
    group by e.tenant;
end;
