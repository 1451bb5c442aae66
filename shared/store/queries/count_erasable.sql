-- How many rows of each layer an erasure is about; layers without any are left out.
-- $1 tenant, $2 the user when all of theirs goes, else null; $3 sessions; $4 memories that go.
select layer, rows
from (
    select 'sessions' as layer, cardinality($3::uuid[])::bigint as rows
    union all
    select 'memories', cardinality($4::uuid[])
    union all
    select 'events', count(*) from afterthought.session_events where session_id = any($3::uuid[])
    union all
    select 'event_index', count(*) from afterthought.event_index where session_id = any($3::uuid[])
    union all
    select 'event_passages', count(*) from afterthought.event_passages where session_id = any($3::uuid[])
    union all
    select 'cursors', count(*) from afterthought.agent_cursors where session_id = any($3::uuid[])
    union all
    select 'runs', count(*) from afterthought.agent_runs where session_id = any($3::uuid[])
    union all
    select 'ledger', count(*) from afterthought.ledger where session_id = any($3::uuid[])
    union all
    select 'snapshots', count(*) from afterthought.snapshots where session_id = any($3::uuid[])
    union all
    select 'checkpoints', count(*) from afterthought.checkpoints where session_id = any($3::uuid[])
    union all
    select 'archive_objects', count(*) from afterthought.archive_objects where session_id = any($3::uuid[])
    union all
    select 'operations', count(*) from afterthought.operations where session_id = any($3::uuid[])
    union all
    select 'holds', count(*)
    from afterthought.holds
    where session_id = any($3::uuid[]) or (session_id is null and tenant = $1 and user_id = $2)
    union all
    select 'evidence', count(*)
    from (
        select memory_id, session_id, version from afterthought.memory_evidence where session_id = any($3::uuid[])
        union
        select memory_id, session_id, version from afterthought.memory_evidence where memory_id = any($4::uuid[])
    ) e
    union all
    select 'memory_versions', count(*) from afterthought.memory_versions where memory_id = any($4::uuid[])
    union all
    select 'memory_index', count(*) from afterthought.memory_index where memory_id = any($4::uuid[])
    union all
    select 'memory_words', count(*) from afterthought.memory_words where memory_id = any($4::uuid[])
    union all
    select 'memory_marks', count(*) from afterthought.memory_marks where memory_id = any($4::uuid[])
    union all
    select 'memory_access', count(*) from afterthought.memory_access where memory_id = any($4::uuid[])
    union all
    select 'reviews', count(*) from afterthought.reviews where memory_id = any($4::uuid[])
    union all
    select 'webhook_deliveries', count(*) from afterthought.webhook_deliveries where memory_id = any($4::uuid[])
    union all
    select 'profiles', count(*) from afterthought.profiles where tenant = $1 and user_id = $2
    union all
    select 'requests', count(*) from afterthought.requests where tenant = $1 and user_id = $2
    union all
    select 'retractions', count(*) from afterthought.retractions where tenant = $1 and user_id = $2
) layers
where rows > 0
