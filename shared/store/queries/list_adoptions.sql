-- Every adopted table as an operator looks at it, with the last 20 rows that became no event.
select a.relation, a.mapping, a.key_columns, a.version, a.adopted_at, a.backfilled_at, a.rows_backfilled, a.rows_followed,
       a.rows_refused, a.broken, a.broken_at,
       (select count(*) from afterthought.adopted_arrivals n where n.adoption_id = a.id) as waiting,
       coalesce((
           select jsonb_agg(jsonb_build_object('key', r.key, 'reason', r.reason, 'at', r.refused_at) order by r.refused_at desc)
           from (
               select n.key, n.reason, n.refused_at from afterthought.adopted_refusals n
               where n.adoption_id = a.id order by n.refused_at desc, n.key limit 20
           ) r), '[]') as refusals
from afterthought.adopted_tables a
order by a.relation
