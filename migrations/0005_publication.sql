-- Why: what the replication reader follows. Only inserts, and only the columns a wake-up needs, so no conversation
-- text ever leaves in the stream. The slot is made after the publication, outside a transaction, by the migrate step.
create publication afterthought
    for table afterthought.session_events (session_id, version, tenant),
              afterthought.memories (id, session_id, tenant)
    with (publish = 'insert');
