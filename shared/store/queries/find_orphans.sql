-- Which of these objects of the archive no row names, of sessions that are there, each with the objects that stand for events of
-- its range: a row for each of these, and one without any when there is none. An object is left out whose range has an event of
-- which the archive has what was said in no such object: it may be the last copy.
-- One per object: $1 its identifier, $2 the session, $3 the first and $4 the last version in it.
select o.session_id as of_session, o.id as orphan, a.id, a.session_id, a.first_version, a.last_version, a.checksum
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) as o (id, session_id, first_version, last_version)
left join afterthought.archive_objects a
    on a.session_id = o.session_id and a.status = 'stored'
   and a.first_version <= o.last_version and a.last_version >= o.first_version
where exists (select from afterthought.sessions s where s.id = o.session_id)
  and not exists (select from afterthought.archive_objects named where named.id = o.id)
  and not exists (
      select from afterthought.session_events e
      where e.session_id = o.session_id and e.version between o.first_version and o.last_version
        and e.archived_bytes is not null
        and not exists (
            select from afterthought.archive_objects c
            where c.session_id = e.session_id and c.status = 'stored'
              and e.version between c.first_version and c.last_version
        )
  )
