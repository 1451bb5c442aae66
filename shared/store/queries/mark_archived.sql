-- $1 session, $2 up to which version the archive has what there is to have.
update afterthought.sessions set archived_through = greatest(archived_through, $2) where id = $1
