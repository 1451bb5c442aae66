-- Gives back the space of what was deleted, and takes it out of the statistics.
vacuum (analyze, skip_locked)
    afterthought.adopted_refusals, afterthought.adopted_arrivals,
    afterthought.session_events, afterthought.event_index, afterthought.event_passages, afterthought.archive_objects, afterthought.sessions, afterthought.memories,
    afterthought.memory_evidence, afterthought.memory_versions, afterthought.webhook_deliveries, afterthought.memory_index, afterthought.memory_words,
    afterthought.memory_marks, afterthought.memory_access, afterthought.memory_totals, afterthought.profiles,
    afterthought.requests, afterthought.retractions, afterthought.reviews, afterthought.agent_cursors,
    afterthought.agent_runs, afterthought.ledger, afterthought.snapshots, afterthought.checkpoints,
    afterthought.operations, afterthought.holds, afterthought.erasures, afterthought.erased_sessions
