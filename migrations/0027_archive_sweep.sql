-- Why: objects of the archive that no row names are looked for, some of a tenant's a day.

-- How far the look for objects that no row names has come, by the key of the last one; null when it begins anew.
alter table afterthought.tenants add column archive_swept_through text;
grant update (archive_swept_through) on afterthought.tenants to afterthought_keeper;
