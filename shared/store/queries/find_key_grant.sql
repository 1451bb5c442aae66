-- What the key with this hash stands for, whosever it is. $1: the hash.
select id, tenant, scopes, valid_until from afterthought.find_api_key($1)
