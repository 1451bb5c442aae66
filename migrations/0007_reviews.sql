-- Why: a person can look at what an agent proposes before anybody recalls it, and what they refused stays refused.

-- A memory that waits says why, and what its approval does to a current one under the same key.
alter table afterthought.memories
    add column on_conflict text check (on_conflict in ('merge', 'supersede', 'continue')),
    add column review_reason text check (review_reason in ('agent_asked', 'low_confidence', 'type', 'agent')),
    add check (status <> 'pending_review' or (on_conflict is not null and review_reason is not null));

-- At most one proposal about one thing: what two sessions propose at the same time meets here.
create unique index memories_pending on afterthought.memories (tenant, scope, scope_id, type, key)
    where status = 'pending_review';
create index memories_to_review on afterthought.memories (tenant, created_at, id) where status = 'pending_review';
-- What waits or was rejected is not embedded, and must not stay among the work that waits for it.
drop index afterthought.memories_to_embed;
create index memories_to_embed on afterthought.memories (session_id) where embedding is null and status = 'active';

-- What was decided about each proposal, and what had been proposed: the memory itself may have been edited, or merged
-- into another. Its scope, type and key are kept here too, so that what was refused is found by them in one look-up.
create table afterthought.reviews (
    memory_id uuid primary key references afterthought.memories on delete cascade,
    tenant text not null references afterthought.tenants,
    scope text not null,
    scope_id text not null,
    type text not null,
    key text not null,
    content text not null,
    data jsonb not null,
    on_conflict text not null check (on_conflict in ('merge', 'supersede', 'continue')),
    review_reason text not null check (review_reason in ('agent_asked', 'low_confidence', 'type', 'agent')),
    decision text not null check (decision in ('approved', 'edited', 'rejected')),
    edited_content text,
    edited_data jsonb,
    -- The memory it went into: itself, or the one it was merged into.
    became uuid references afterthought.memories on delete set null,
    -- Which thoughts under the key are dropped from now on: all, accounts in these words, or these words and data.
    refuses text check (refuses in ('key', 'account', 'wording')),
    wording bytea,
    reviewer text check (octet_length(reviewer) between 1 and 200),
    note text check (octet_length(note) between 1 and 2000),
    decided_at timestamptz not null default now(),
    check ((refuses is null) = (wording is null)),
    check ((refuses is null) = (decision = 'approved')),
    check (decision = 'edited' or (edited_content is null and edited_data is null)),
    check (decision <> 'rejected' or became is null)
);
comment on column afterthought.reviews.wording is 'SHA-256 of the content, blanks folded and in lower case.';
create index reviews_refusing on afterthought.reviews (tenant, scope, scope_id, type, key) where refuses is not null;

-- Fails a commit whose thoughts were refused after it had looked, so that it starts over: between its look and its
-- insert a proposal of the same may have been made by another session and rejected.
create function afterthought.expect_refusals(expected bigint, counted bigint) returns void
language plpgsql immutable parallel safe
as $$
begin
    if counted <> expected then
        raise exception '% refusals where % were seen', counted, expected using errcode = 'serialization_failure';
    end if;
end
$$;

alter table afterthought.reviews enable row level security, force row level security;
create policy owner_all on afterthought.reviews to current_user using (true) with check (true);
create policy agent_own on afterthought.reviews to afterthought_agent
    using (tenant = afterthought.current_tenant()) with check (tenant = afterthought.current_tenant());
grant select, insert on afterthought.reviews to afterthought_agent;

alter table afterthought.ledger
    drop constraint ledger_outcome_check,
    add constraint ledger_outcome_check
        check (outcome in ('stored', 'merged', 'superseded', 'pending', 'dropped'));
