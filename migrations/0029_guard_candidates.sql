-- Why: a number that is no card, or no account, hid the one behind it, since a search goes on behind whatever it matched; what was to be
-- blocked passed inside of something longer that was to be redacted; a text full of findings cost the square of its length; and a
-- policy that is a bare string stopped every insert.

-- Where what looks like the beginning of something stands, each with so many characters from there on.
create function afterthought.windows_of(said text, beginning text, characters int) returns setof text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    -- Cut before each: a beginning is matched without any of its characters.
    parts constant text[] := regexp_split_to_array(said, beginning);
    part text;
    at int;
    next int;
begin
    for at in 1..cardinality(parts) loop
        continue when at = 1 and said !~ ('^' || beginning);
        part := left(parts[at], characters);
        next := at + 1;
        while length(part) < characters and next <= cardinality(parts) loop
            part := left(part || parts[next], characters);
            next := next + 1;
        end loop;
        return next part;
    end loop;
end
$$;

-- How long an international bank account number of a country is (ISO 13616); null where there are none.
create function afterthought.iban_length(country text) returns int
language sql immutable parallel safe
return substring(
    'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27'
    'GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19'
    'MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23'
    'TN24TR26UA29VA22VG24XK20YE30'
    from country || '([0-9]{2})')::int;

-- Whether letters and digits are an international bank account number: as long as those of its country, and the rest by 97 is 1.
create or replace function afterthought.is_iban(plain text) returns boolean
language sql immutable parallel safe
return length(plain) = afterthought.iban_length(substr(plain, 1, 2))
    and (
        select string_agg(case when letter ~ '[0-9]' then letter else (ascii(letter) - 55)::text end, '' order by place)::numeric % 97 = 1
        from regexp_split_to_table(substr(plain, 5) || substr(plain, 1, 4), '') with ordinality as letters (letter, place)
    );

-- Numbers of payment cards, looked for from every group of digits on.
create function afterthought.find_cards(said text) returns setof text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    -- The longest first: a serial number of a card may follow it.
    forms constant text[] := array[
        '[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,3}',
        '[0-9]{14,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}'];
    form text;
    beginning text;
    candidate text;
    plain text;
begin
    for beginning in
        select w from afterthought.windows_of(said, '(?<![0-9A-Za-z_])(?<![0-9][.,/_-])(?=[0-9]{4}[0-9 -])', 30) as w
    loop
        foreach form in array forms loop
            candidate := substring(beginning from '^(' || form || ')(?![0-9A-Za-z_])(?![.,/_-][0-9])');
            plain := translate(candidate, ' -', '');
            if plain ~ '^(?:4[0-9]{15}|(?:5[1-5]|2[2-7])[0-9]{14}|3[47][0-9]{13}|3[0689][0-9]{12}|35[0-9]{14}|6[045][0-9]{14}|(?:62|88)[0-9]{14,17}|220[0-4][0-9]{12,15}|5018[0-9]{12,15}|5019[0-9]{12}|(?:50[23]|5[68][0-9]|639|67[0-9])[0-9]{13,16})$'
               and plain !~ '^(.)\1+$'
               and afterthought.has_check_digit(plain) then
                return next candidate;
                exit;
            end if;
        end loop;
    end loop;
end
$$;

-- International bank account numbers, looked for from every two letters and two digits on.
create function afterthought.find_ibans(said text) returns setof text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
    beginning text;
    plain text;
begin
    for beginning in
        select w from afterthought.windows_of(said, '(?<![0-9A-Za-z_])(?=[A-Za-z]{2}[0-9]{2}[ 0-9A-Za-z-])', 68) as w
    loop
        continue when afterthought.iban_length(upper(left(beginning, 2))) is null;
        plain := substring(beginning from '^(?:[A-Za-z0-9][ -]?){' || afterthought.iban_length(upper(left(beginning, 2))) - 1 || '}[A-Za-z0-9]');
        if plain is not null and substr(beginning, length(plain) + 1, 1) !~ '[[:alnum:]]'
           and afterthought.is_iban(upper(translate(plain, ' -', ''))) then
            return next plain;
        end if;
    end loop;
end
$$;

-- Identifiers of a kind in a text. Telephone numbers are known by their form alone: Postgres has no numbering plans.
create or replace function afterthought.find_identifiers(said text, kind text) returns setof text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    -- No number goes on before or after.
    apart constant text := '(?<![0-9A-Za-z_])(?<![0-9][.,/_-])';
    ended constant text := '(?![0-9A-Za-z_])(?![.,/_-][0-9])';
begin
    case kind
    when 'credit_card' then
        return query select afterthought.find_cards(said);
    when 'iban' then
        return query select afterthought.find_ibans(said);
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
-- that is not taken in, in words. Nothing is left of a text with so many different findings that it is a list of them.
create or replace function afterthought.guard_text(said text, said_before text, policy jsonb, out kept text, out counts jsonb, out blocked text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    most constant int := 500;
    context constant text := case when said_before = '' then said else said_before || said || '"' end;
    -- Each with its rule, label, text and action, the longest first.
    findings jsonb;
    one jsonb;
begin
    kept := said;
    counts := '{}';
    select jsonb_agg(to_jsonb(f) order by length(f.part) desc) into findings
    from (
        select distinct on (each.part) each.rule, each.label, each.part, each.action
        from (
            select s.rule, s.label, s.secret, afterthought.guard_action(policy, 'secrets') as action, s.at
            from afterthought.find_secrets(context) with ordinality as s (rule, label, secret, at)
            where afterthought.guard_action(policy, 'secrets') <> 'off'
            union all
            select k.kind, k.label, i, afterthought.guard_action(policy, k.kind), null
            from (values ('credit_card', 'credit card'), ('iban', 'IBAN'), ('phone', 'phone number'), ('email', 'e-mail address'),
                         ('us_ssn', 'social security number'), ('ip_address', 'IP address')) as k (kind, label)
            cross join lateral afterthought.find_identifiers(context, k.kind) as i
            where afterthought.guard_action(policy, k.kind) <> 'off'
        ) as each (rule, label, part, action, at)
        order by each.part, each.action = 'block' desc, each.at
    ) as f
    where said_before = '' or strpos(said, f.part) > 0;
    if findings is null then
        return;
    end if;
    -- Also what is part of something longer that would go.
    select f ->> 'label' into blocked
    from jsonb_array_elements(findings) with ordinality as each (f, place)
    where f ->> 'action' = 'block' order by place limit 1;
    if blocked is not null then
        return;
    end if;
    if jsonb_array_length(findings) > most then
        kept := '[' || (select string_agg(distinct f ->> 'label', ', ') from jsonb_array_elements(findings) as f) || ']';
        counts := (
            select jsonb_object_agg(rule, times)
            from (select f ->> 'rule' as rule, count(*) as times from jsonb_array_elements(findings) as f group by 1) as rules
        );
        return;
    end if;
    for one in select f from jsonb_array_elements(findings) as f loop
        -- What is part of something longer went with it.
        continue when strpos(kept, one ->> 'part') = 0;
        kept := replace(kept, one ->> 'part', '[' || (one ->> 'label') || ']');
        counts := jsonb_set(counts, array[one ->> 'rule'], to_jsonb(coalesce((counts ->> (one ->> 'rule'))::int, 0) + 1));
    end loop;
end
$$;

-- The same for a document: its texts, and numbers that are as long as one. A member's name is what stands before its text.
create or replace function afterthought.guard_document(document jsonb, name text, policy jsonb, out kept jsonb, out counts jsonb, out blocked text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
    part record;
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
        with members as materialized (
            select m.key, m.place, d.kept, d.counts, d.blocked
            from (
                select e.key, e.key as name, e.value, e.place
                from jsonb_each(case when jsonb_typeof(document) = 'object' then document end) with ordinality as e (key, value, place)
                union all
                select null, guard_document.name, a.value, a.place
                from jsonb_array_elements(case when jsonb_typeof(document) = 'array' then document end) with ordinality as a (value, place)
            ) as m
            cross join lateral afterthought.guard_document(m.value, m.name, policy) as d
        )
        select case when jsonb_typeof(document) = 'object' then jsonb_object_agg(m.key, m.kept) filter (where m.key is not null)
                    else jsonb_agg(m.kept order by m.place) end as kept,
               coalesce((
                   select jsonb_object_agg(total.rule, total.times)
                   from (
                       select c.key as rule, sum(c.value::int) as times
                       from members cross join lateral jsonb_each_text(members.counts) as c group by c.key
                   ) as total
               ), '{}') as counts,
               min(m.blocked) as blocked
        into part
        from members as m;
        blocked := part.blocked;
        if part.counts <> '{}' then
            kept := part.kept;
            counts := part.counts;
        end if;
    else
    end case;
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
               select nullif((t.settings -> 'guard')::text, 'null') from afterthought.tenants t where t.tenant = opened.tenant), ''), true);
$$;

revoke execute on function afterthought.windows_of, afterthought.iban_length, afterthought.find_cards, afterthought.find_ibans from public;
