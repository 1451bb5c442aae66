-- $1 session. No row when it was erased.
select id from afterthought.sessions where id = $1 for no key update
