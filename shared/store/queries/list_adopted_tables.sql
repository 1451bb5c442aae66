-- Every adopted table as the reader follows it, those that wait longest first. The reader's role sees no row of them.
select a.id, a.relation, a.mapping, a.version, a.backfill_from, a.backfilled_at is not null as is_backfilled, a.broken,
       p.is_published, case when p.is_published and p.entry is distinct from a.published_as then p.entry end as published_anew,
       exists (select from afterthought.adopted_arrivals n where n.adoption_id = a.id) as has_arrivals
from afterthought.adopted_tables a,
     lateral (
         select afterthought.publishes_key(a.relid, a.key_columns) as is_published,
                afterthought.publication_entry(a.relid) as entry
     ) p
order by a.adopted_at, a.id
