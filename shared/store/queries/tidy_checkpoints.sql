-- Old checkpoints, but for the last ones of each session and those that they are patches of.
-- $1 tenant, $2 saved before, $3 at most, $4 whether only to count, $5 how many of a session stay.
with old as materialized (
    select c.session_id, c.sequence
    from afterthought.checkpoints c
    where c.tenant = $1 and c.created_at < $2
      and c.sequence < (
          select min(kept.whole)
          from (
              select l.whole
              from afterthought.checkpoints l
              where l.session_id = c.session_id
              order by l.sequence desc
              limit $5
          ) kept
      )
    limit $3
),
gone as (
    delete from afterthought.checkpoints c
    using old
    where not $4 and c.session_id = old.session_id and c.sequence = old.sequence
)
select count(*) as rows from old
