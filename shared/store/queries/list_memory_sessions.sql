-- The sessions whose hot contexts may show a memory: where it was stored from, and those of its evidence that somebody
-- was in within a day. $1 memory, $2 at most.
select m.session_id as session from afterthought.memories m where m.id = $1 and m.session_id is not null
union
(
    select e.session_id
    from afterthought.memory_evidence e
    join afterthought.sessions s on s.id = e.session_id
    where e.memory_id = $1 and s.last_event_at > now() - interval '1 day'
    group by e.session_id, s.last_event_at
    order by s.last_event_at desc
    limit $2
)
