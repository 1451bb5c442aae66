-- Runs and their ledger, but for what is still quarantined.
-- $1 tenant, $2 ended before, $3 at most, $4 whether only to count.
with old as materialized (
    select id
    from afterthought.agent_runs
    where tenant = $1 and finished_at < $2 and (outcome <> 'quarantined' or redriven_by is not null)
    order by finished_at, id
    limit $3
),
gone as (
    delete from afterthought.agent_runs r using old where not $4 and r.id = old.id
)
select count(*) as rows from old
