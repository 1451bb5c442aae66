-- Why: a sentence at the end of a long message is found as if it had been a message of its own. The one vector of a long
-- message is the mean of everything in it, which is near to none of it.

-- The passages of long events; most events have none. Each row belongs to a row of `event_index`, which goes with the event.
create table afterthought.event_passages (
    session_id uuid not null,
    version bigint not null,
    passage smallint not null check (passage between 0 and 63),
    tenant text not null,
    user_id text not null,
    -- Where it is in the event's text.
    start_byte int not null check (start_byte >= 0),
    end_byte int not null check (end_byte > start_byte),
    embedding halfvec not null,
    embedding_model text not null,
    terms tsvector not null,
    occurred_at timestamptz not null,
    primary key (session_id, version, passage),
    foreign key (session_id, version) references afterthought.event_index on delete cascade
);
-- Beside the row, not in a place of its own, as far as it fits: all of a user's are read together.
alter table afterthought.event_passages alter column embedding set storage main;
create index event_passages_of_user on afterthought.event_passages (tenant, user_id);

alter table afterthought.event_passages enable row level security, force row level security;
create policy owner_all on afterthought.event_passages to current_user using (true) with check (true);
create policy agent_own on afterthought.event_passages to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert, update, delete on afterthought.event_passages to afterthought_agent;
create policy keeper_own on afterthought.event_passages to afterthought_keeper
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, delete on afterthought.event_passages to afterthought_keeper;
do $$
begin
    -- Since Postgres 17 a role may be allowed to vacuum what is another's.
    if current_setting('server_version_num')::int >= 170000 then
        grant maintain on afterthought.event_passages to afterthought_keeper;
    end if;
end
$$;
