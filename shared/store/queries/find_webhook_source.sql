-- A source whosever it is. $1 the source.
select id, tenant, name, mapping, secrets, version, created_at, updated_at from afterthought.find_webhook_source($1)
