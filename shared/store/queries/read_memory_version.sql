-- What a memory said at a version, where it has been changed in place since. $1 memory, $2 version.
select content, data
from afterthought.memory_versions
where memory_id = $1 and version >= $2
order by version
limit 1
