-- Why: deleting a memory that something else has taken the place of kept everything said until then from being learned under its
-- key, where what holds now is to go on.

alter table afterthought.retractions add column held boolean not null default true;
comment on column afterthought.retractions.held is
    'Whether it held until then, so that nothing is learned under its key; else its own words alone are ruled out.';

-- What was deleted from the history before now, and what came back and was left behind here.
update afterthought.retractions r
set held = false
from afterthought.memories m
where m.id = r.memory_id and r.reason = 'deleted' and m.superseded_by is not null;
delete from afterthought.retractions r
using afterthought.memories m
where m.id = r.memory_id and r.reason = 'deleted' and m.status = 'active';
