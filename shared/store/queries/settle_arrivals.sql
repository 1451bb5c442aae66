-- What became of rows that were read: they wait no more. Nothing is done, and no row answered, when the adoption has changed since;
-- one that changes at this moment waits for this, or this for it.
-- $1 the adoption, $2 its version, $3 positions, $4 rows that became events, $5 rows refused; one per row that became none: $6 keys,
-- $7 reasons, $8 tenants and $9 users, null where neither could be read, $10 when the rows were written.
with held as (
    update afterthought.adopted_tables
    set rows_followed = rows_followed + $4, rows_refused = rows_refused + $5, broken = null, broken_at = null
    where id = $1 and version = $2
    returning id
),
settled as (
    delete from afterthought.adopted_arrivals n
    using held
    where n.adoption_id = held.id and n.position = any($3)
)
select afterthought.record_refusals(held.id, $6, $7, $8, $9, $10) from held
