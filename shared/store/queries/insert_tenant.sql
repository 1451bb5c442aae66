-- Adds a tenant that is not there. $1: its name.
insert into afterthought.tenants (tenant) values ($1) on conflict (tenant) do nothing
