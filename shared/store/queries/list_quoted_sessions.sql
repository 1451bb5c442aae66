-- Sessions that go with an erasure, and what was said in which has to be read again: a memory that others may keep comes from
-- events of theirs that are in the archive, and goes only if it quotes them.
-- $1 tenant, $2 user, $3 session, null for all.
with gone as materialized (
    select id from afterthought.sessions where tenant = $1 and user_id = $2 and ($3::text is null or session = $3)
)
select distinct e.session_id
from gone g
join afterthought.memory_evidence e on e.session_id = g.id
join afterthought.session_events v on v.session_id = e.session_id and v.version = e.version
join afterthought.memories m on m.id = e.memory_id
where v.archived_bytes is not null
  and ($3::text is not null or m.user_id is distinct from $2)
  and exists (
      select from afterthought.memory_evidence other
      where other.memory_id = e.memory_id and other.session_id not in (select id from gone)
  )
