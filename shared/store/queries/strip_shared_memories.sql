-- What stays of memories that came from other sessions too: nothing that may be the erased sessions' alone.
-- $1 memories that stay, $2 sessions that go.
with evidence as (
    delete from afterthought.memory_evidence where memory_id = any($1::uuid[]) and session_id = any($2::uuid[])
),
versions as (
    delete from afterthought.memory_versions where memory_id = any($1::uuid[])
),
deliveries as (
    delete from afterthought.webhook_deliveries where memory_id = any($1::uuid[])
),
decisions as (
    update afterthought.reviews
    set content = '', data = '{}', edited_content = left(edited_content, 0),
        edited_data = case when edited_data is not null then '{}'::jsonb end
    where memory_id = any($1::uuid[])
)
update afterthought.memories m
set session_id = (
    select e.session_id
    from afterthought.memory_evidence e
    where e.memory_id = m.id and e.session_id <> all($2::uuid[])
    order by e.session_id
    limit 1
)
where m.id = any($1::uuid[]) and m.session_id = any($2::uuid[]) and m.scope <> 'session'
