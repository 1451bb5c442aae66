-- Nothing is left: what it took to find the rest goes too. $1 erasure.
with sessions as (
    delete from afterthought.erased_sessions where erasure_id = $1
)
update afterthought.erasures
set completed_at = now(), names = null
where id = $1 and completed_at is null
