-- Why: an event may be looked through twice, by two policies or two sets of rules, and the second look took the record of the first
-- for its own.

-- How often each rule found something, as far as that is what a record says it in.
create function afterthought.guard_counts(counts jsonb) returns jsonb
language sql immutable parallel safe
return (
    select coalesce(jsonb_object_agg(c.key, c.value), '{}')
    from jsonb_each(case when jsonb_typeof(counts) = 'object' then counts else '{}' end) as c
    where jsonb_typeof(c.value) = 'number' and c.value::text ~ '^[0-9]{1,9}$'
);
revoke execute on function afterthought.guard_counts from public;

-- As in 0028, and what was found is added to what was written down before.
create or replace function afterthought.guard_event() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    policy constant jsonb := current_setting('afterthought.open_guard');
    said record;
    told record;
    counts jsonb;
    own jsonb;
    before jsonb;
begin
    select * into said from afterthought.guard_text(coalesce(new.content, ''), '', policy);
    select * into told from afterthought.guard_document(new.metadata, null, policy);
    if said.blocked is not null or told.blocked is not null then
        perform nextval((
            'afterthought.guard_refused_' || case coalesce(said.blocked, told.blocked)
                when 'credit card' then 'credit_card'
                when 'IBAN' then 'iban'
                when 'phone number' then 'phone'
                when 'e-mail address' then 'email'
                when 'social security number' then 'us_ssn'
                when 'IP address' then 'ip_address'
                else 'secret'
            end)::regclass);
        raise exception '% holds what looks like this: %. This tenant does not take it in, expected a message without',
                case when said.blocked is not null then 'content' else 'metadata' end, coalesce(said.blocked, told.blocked)
            using errcode = 'check_violation', schema = 'afterthought', table = 'messages',
                  column = case when said.blocked is not null then 'content' else 'metadata' end;
    end if;
    counts := afterthought.add_counts(said.counts, told.counts);
    if counts <> '{}' then
        own := case when jsonb_typeof(told.kept -> 'afterthought') = 'object' then told.kept -> 'afterthought' else '{}' end;
        before := case when jsonb_typeof(own -> 'guard') = 'object' then own -> 'guard' else '{}' end;
        counts := afterthought.add_counts(counts, afterthought.guard_counts(before -> 'redacted'));
        new.content := case when new.content is not null then said.kept end;
        new.metadata := told.kept || jsonb_build_object('afterthought',
            own || jsonb_build_object('guard', before || jsonb_build_object('redacted', counts)));
    end if;
    return new;
end
$$;
