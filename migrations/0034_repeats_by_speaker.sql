-- Why: an idempotency key names one event. "yes" by one speaker is not the repeat of "yes" by another, whose turn would be lost.

-- As in 0023, and who spoke is compared too.
create or replace function afterthought.skip_repeat() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    same_content boolean;
begin
    select e.event_type = new.event_type and e.role is not distinct from new.role
           and e.speaker is not distinct from new.speaker
           and case
               when e.archived_digest is not null
                   then e.archived_digest = afterthought.event_digest(new.content, new.metadata)
               else e.content is not distinct from new.content and e.metadata = new.metadata
           end
    into same_content
    from afterthought.session_events e
    where e.session_id = new.session_id and e.idempotency_key = new.idempotency_key;
    if not found then
        return new;
    end if;
    if not same_content then
        raise exception 'idempotency_key % was used in this session for other content', quote_literal(new.idempotency_key)
            using errcode = 'unique_violation', schema = 'afterthought', table = 'messages', column = 'idempotency_key';
    end if;
    perform set_config('afterthought.open_head', (new.version - 1)::text, true);
    return null;
end
$$;
