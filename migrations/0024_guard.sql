-- Why: what applications insert into `messages` meets no function of ours, so what a tenant wants kept out is looked for here, by
-- the same rules. What is told of a secret or an identifier is its rule, never what it said.

-- The rules for secrets, as the migration after this one has them: replaced as a whole by each that brings newer ones.
create table afterthought.guard_rules (
    rule text primary key,
    -- What it finds, in words: they stand in its place.
    label text not null,
    -- Whether it goes by the words around a secret, whoever issued that; asked last.
    is_generic boolean not null,
    -- It is asked about texts that are like one of these, in lower case.
    keywords text[] not null,
    pattern text not null,
    -- The group of the pattern that is the secret; the first that matched something, where it is not said.
    secret_group int,
    -- A secret has more bits per character than this.
    entropy float8 not null,
    -- What is no secret: [{"whole": held against all that matched, "patterns": […], "words": [in the secret, in lower case]}].
    allowed jsonb not null
);
comment on table afterthought.guard_rules is 'Of the deployment, not of a tenant: read by the trigger alone.';
alter table afterthought.guard_rules enable row level security, force row level security;
create policy owner_all on afterthought.guard_rules to current_user using (true) with check (true);

-- What a policy says of one thing: `off`, `redact` or `block`. A word that is not known is not taken for `off`.
create function afterthought.guard_action(policy jsonb, kind text) returns text
language sql immutable parallel safe
return (
    select case said when 'off' then 'off' when 'block' then 'block' else 'redact' end
    from (
    select case when jsonb_typeof(policy) <> 'object' then 'redact'
                when kind = 'secrets' then coalesce(policy ->> 'secrets', 'off')
                when jsonb_typeof(policy -> 'identifiers') = 'object' then coalesce(policy -> 'identifiers' ->> kind, 'off')
                else coalesce(policy ->> 'identifiers', 'off') end
    ) as action (said)
);

-- Bits per character, after Shannon.
create function afterthought.entropy(said text) returns float8
language sql immutable parallel safe
return (
    select -sum(share * log(2, share))
    from (
        select count(*)::numeric / length(said) as share
        from regexp_split_to_table(said, '') as character group by character
    ) as shares
);

-- Secrets in a text, the sure ones first.
create function afterthought.find_secrets(said text)
returns table (rule text, label text, secret text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    asked record;
    groups text[];
begin
    for asked in
        select r.* from afterthought.guard_rules r where lower(said) like any (r.keywords) order by r.is_generic, r.rule
    loop
        for groups in select regexp_matches(said, '(' || asked.pattern || ')', 'g') loop
            secret := coalesce(
                case when asked.secret_group is null then (select g from unnest(groups[2:]) with ordinality as part (g, at) where g <> '' order by at limit 1)
                     else groups[asked.secret_group + 1] end,
                groups[1]);
            continue when asked.entropy > 0 and afterthought.entropy(secret) <= asked.entropy;
            continue when exists (
                select from jsonb_array_elements(asked.allowed) as allow
                where exists (select from jsonb_array_elements_text(allow -> 'patterns') as p where case when (allow ->> 'whole')::boolean then groups[1] else secret end ~ p)
                   or exists (select from jsonb_array_elements_text(allow -> 'words') as w where strpos(lower(secret), w) > 0));
            rule := asked.rule;
            label := asked.label;
            return next;
        end loop;
    end loop;
end
$$;

-- Whether the last digit is the check digit of those before it (ISO/IEC 7812-1).
create function afterthought.has_check_digit(digits text) returns boolean
language sql immutable parallel safe
return (
    select sum(case when place % 2 = 1 then digit when digit < 5 then 2 * digit else 2 * digit - 9 end) % 10 = 0
    from (
        select place, substr(digits, length(digits) + 1 - place, 1)::int as digit
        from generate_series(1, length(digits)) as place
    ) as places
);

-- Whether letters and digits are an international bank account number (ISO 13616): as long as those of its country, and the
-- rest by 97 is 1.
create function afterthought.is_iban(plain text) returns boolean
language sql immutable parallel safe
return length(plain) = substring(
        'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27'
        'GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19'
        'MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23'
        'TN24TR26UA29VA22VG24XK20YE30'
        from substr(plain, 1, 2) || '([0-9]{2})')::int
    and (
        select string_agg(case when letter ~ '[0-9]' then letter else (ascii(letter) - 55)::text end, '' order by place)::numeric % 97 = 1
        from regexp_split_to_table(substr(plain, 5) || substr(plain, 1, 4), '') with ordinality as letters (letter, place)
    );

-- Whether an address is one that the Internet routes; false for what is none.
create function afterthought.is_public_address(written text) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return not written::inet <<= any (array['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16',
        '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24',
        '224.0.0.0/3', '2001:db8::/32']::inet[]);
exception
    when invalid_text_representation then return false;
end
$$;

-- Identifiers of a kind in a text. Telephone numbers are known by their form alone: Postgres has no numbering plans.
create function afterthought.find_identifiers(said text, kind text) returns setof text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    -- No number goes on before or after.
    apart constant text := '(?<![0-9A-Za-z_])(?<![0-9][.,/_-])';
    ended constant text := '(?![0-9A-Za-z_])(?![.,/_-][0-9])';
    candidate text;
    plain text;
begin
    case kind
    when 'credit_card' then
        for candidate in
            select m[1] from regexp_matches(said, '(' || apart
                || '(?:[0-9]{14,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5})' || ended || ')', 'g') as m
        loop
            plain := translate(candidate, ' -', '');
            if plain ~ '^(?:4[0-9]{15}|(?:5[1-5]|2[2-7])[0-9]{14}|3[47][0-9]{13}|3[0689][0-9]{12}|35[0-9]{14}|6[045][0-9]{14}|(?:62|88)[0-9]{14,17}|220[0-4][0-9]{12,15}|501[89][0-9]{12}|(?:50[23]|5[68][0-9]|639|67[0-9])[0-9]{13,16})$'
               and afterthought.has_check_digit(plain) then
                return next candidate;
            end if;
        end loop;
    when 'iban' then
        for candidate in
            select m[1] from regexp_matches(said, '((?<![0-9A-Za-z_])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,38})', 'g') as m
        loop
            -- Words may follow without anything between.
            for length in reverse 34..15 loop
                plain := substring(candidate from '^(?:[A-Za-z0-9][ -]?){' || length - 1 || '}[A-Za-z0-9]');
                if plain is not null and substr(candidate, length(plain) + 1, 1) !~ '[A-Za-z0-9]'
                   and afterthought.is_iban(upper(translate(plain, ' -', ''))) then
                    return next plain;
                    exit;
                end if;
            end loop;
        end loop;
    when 'phone' then
        return query
            select m[1] from regexp_matches(said,
                '((?<![0-9A-Za-z_+.=])(?:\+|00)[1-9](?:[ ()./-]{0,3}[0-9]){7,14}(?![0-9A-Za-z_]))', 'g') as m;
        return query
            select m[1] from regexp_matches(said,
                '((?<![0-9A-Za-z_=/])(?<![0-9][.,_-])(?:\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-][0-9]{4}|(?:1[ .-])?[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}|[2-9][0-9]{2}\.[2-9][0-9]{2}\.[0-9]{4})'
                || ended || ')', 'g') as m;
    when 'email' then
        return query
            select m[1] from regexp_matches(said,
                '((?:[^[:space:][:cntrl:][:punct:]]|[._%+-])+@(?:[[:alnum:]](?:[[:alnum:]-]*[[:alnum:]])?\.)+[[:alpha:]]{2,})(?![[:alnum:]_-]|:[^[:space:]])', 'g') as m;
    when 'us_ssn' then
        return query
            select m[1] from regexp_matches(said,
                '(' || apart || '(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}' || ended || ')', 'g') as m
            where m[1] not in ('078-05-1120', '219-09-9999');
    when 'ip_address' then
        return query
            select m[1] from regexp_matches(said,
                '((?<![0-9A-Za-z_.-])(?<!\y(?:[Vv]|[Vv]er|[Vv]ersions?|[Rr]elease|[Bb]uild)[ :="]{1,3})[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_])(?![._-][0-9A-Za-z]))', 'g') as m
            where afterthought.is_public_address(m[1]);
        return query
            select rtrim(m[1], ':') from regexp_matches(said, '((?<![0-9A-Za-z_:])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34})', 'g') as m
            where afterthought.is_public_address(rtrim(m[1], ':'));
    end case;
end
$$;

-- Looks through a text that stands after another: what is left of it, how often which rule found something, and what it holds
-- that is not taken in, in words.
create function afterthought.guard_text(said text, said_before text, policy jsonb, out kept text, out counts jsonb, out blocked text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    context constant text := case when said_before = '' then said else said_before || said || '"' end;
    one record;
    action text;
begin
    kept := said;
    counts := '{}';
    for one in
        select f.rule, f.label, f.part, f.action
        from (
            select s.rule, s.label, s.secret, afterthought.guard_action(policy, 'secrets') as action
            from afterthought.find_secrets(context) as s
            where afterthought.guard_action(policy, 'secrets') <> 'off'
            union all
            select k.kind, k.label, i, afterthought.guard_action(policy, k.kind)
            from (values ('credit_card', 'credit card'), ('iban', 'IBAN'), ('phone', 'phone number'), ('email', 'e-mail address'),
                         ('us_ssn', 'social security number'), ('ip_address', 'IP address')) as k (kind, label)
            cross join lateral afterthought.find_identifiers(context, k.kind) as i
            where afterthought.guard_action(policy, k.kind) <> 'off'
        ) as f (rule, label, part, action)
        -- What is part of something longer goes with it.
        order by length(f.part) desc
    loop
        continue when strpos(kept, one.part) = 0;
        if one.action = 'block' then
            blocked := one.label;
            return;
        end if;
        kept := replace(kept, one.part, '[' || one.label || ']');
        counts := jsonb_set(counts, array[one.rule], to_jsonb(coalesce((counts ->> one.rule)::int, 0) + 1));
    end loop;
end
$$;

-- The same for a document: its texts, and numbers that are as long as one. A member's name is what stands before its text.
create function afterthought.guard_document(document jsonb, name text, policy jsonb, out kept jsonb, out counts jsonb, out blocked text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    part record;
    inner_part record;
begin
    kept := document;
    counts := '{}';
    case jsonb_typeof(document)
    when 'string', 'number' then
        select t.kept, t.counts, t.blocked into part
        from afterthought.guard_text(document #>> '{}', case when name is null or jsonb_typeof(document) = 'number' then '' else name || '="' end, policy) as t;
        blocked := part.blocked;
        if part.counts <> '{}' then
            kept := to_jsonb(part.kept);
            counts := part.counts;
        end if;
    when 'object', 'array' then
        for part in
            select e.key, e.key as name, e.value from jsonb_each(case when jsonb_typeof(document) = 'object' then document end) as e
            union all
            select (a.place - 1)::text, guard_document.name, a.value
            from jsonb_array_elements(case when jsonb_typeof(document) = 'array' then document end) with ordinality as a (value, place)
        loop
            select d.kept, d.counts, d.blocked into inner_part from afterthought.guard_document(part.value, part.name, policy) as d;
            if inner_part.blocked is not null then
                blocked := inner_part.blocked;
                return;
            elsif inner_part.counts <> '{}' then
                kept := jsonb_set(kept, array[part.key], inner_part.kept);
                counts := afterthought.add_counts(counts, inner_part.counts);
            end if;
        end loop;
    else
    end case;
end
$$;

create function afterthought.add_counts(one jsonb, other jsonb) returns jsonb
language sql immutable parallel safe
return (
    select coalesce(jsonb_object_agg(name, total), '{}')
    from (
        select name, sum(count::int) as total
        from (select * from jsonb_each_text(one) union all select * from jsonb_each_text(other)) as counts (name, count)
        group by name
    ) as totals
);

-- Looks through an event that no function of ours has looked through, and writes down what was taken out of it.
create function afterthought.guard_event() returns trigger
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

-- Notes the session just locked as the open one, and what its tenant wants kept out: nothing, where it does not say.
create or replace function afterthought.remember_open(opened afterthought.sessions) returns void
language sql
as $$
    select set_config('afterthought.open', opened.tenant || e'\x1f' || opened.user_id || e'\x1f' || opened.session, true),
           set_config('afterthought.open_id', opened.id::text, true),
           set_config('afterthought.open_head', opened.head_version::text, true),
           set_config('afterthought.open_written', opened.head_version::text, true),
           set_config('afterthought.open_guard', coalesce((
               select nullif(t.settings ->> 'guard', 'null') from afterthought.tenants t where t.tenant = opened.tenant), ''), true);
$$;

revoke execute on function afterthought.guard_action, afterthought.entropy, afterthought.find_secrets, afterthought.has_check_digit,
    afterthought.is_iban, afterthought.is_public_address, afterthought.find_identifiers, afterthought.guard_text,
    afterthought.guard_document, afterthought.add_counts, afterthought.guard_event
    from public;

-- After its session is known, and before a repeat is compared with what is there. The functions have looked through theirs
-- with all that they know, and act as one role.
create trigger cc_guard_event before insert on afterthought.session_events for each row
    when (current_setting('afterthought.open_guard', true) <> '' and current_user <> 'afterthought_agent')
    execute function afterthought.guard_event();
