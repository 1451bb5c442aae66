-- Ends a source. $1 tenant, $2 source.
delete from afterthought.webhook_sources where tenant = $1 and id = $2 returning version
