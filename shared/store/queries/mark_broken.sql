-- An adopted table cannot be read, unless the adoption has changed since. $1 the adoption, $2 its version, $3 why.
update afterthought.adopted_tables
set broken = $3, broken_at = case when broken = $3 then broken_at else now() end
where id = $1 and version = $2
