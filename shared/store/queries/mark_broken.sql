-- An adopted table cannot be read. $1 the adoption, $2 why.
update afterthought.adopted_tables
set broken = $2, broken_at = case when broken = $2 then broken_at else now() end
where id = $1
