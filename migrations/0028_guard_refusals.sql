-- Why: a plain insert that the guard refuses is rolled back, and with it whatever would be written down of it. What a sequence has
-- given out is not: so there is one for each kind, which counts.

do $$
declare
    kind text;
begin
    foreach kind in array array['secret', 'credit_card', 'iban', 'phone', 'email', 'us_ssn', 'ip_address'] loop
        execute format('create sequence afterthought.%I', 'guard_refused_' || kind);
    end loop;
end
$$;

-- How many plain inserts were refused for what looked like it, of the whole deployment. After a crash of the server it may be some
-- 32 more or less of each.
create function afterthought.guard_refusals() returns table (kind text, refused bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select substr(s.sequencename::text, length('guard_refused_') + 1), coalesce(s.last_value, 0)
    from pg_sequences s
    where s.schemaname = 'afterthought' and starts_with(s.sequencename::text, 'guard_refused_')
    order by 1;
end;
revoke execute on function afterthought.guard_refusals from public;
grant execute on function afterthought.guard_refusals to afterthought_operator;

-- As in 0024, and what is refused is counted.
create or replace function afterthought.guard_event() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    policy constant jsonb := current_setting('afterthought.open_guard');
    said record;
    told record;
    counts jsonb;
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
        new.content := case when new.content is not null then said.kept end;
        new.metadata := told.kept || jsonb_build_object('afterthought',
            case when jsonb_typeof(told.kept -> 'afterthought') = 'object' then told.kept -> 'afterthought' else '{}' end
            || jsonb_build_object('guard', jsonb_build_object('redacted', counts)));
    end if;
    return new;
end
$$;
