-- Until when a memory holds is told: whoever keeps a copy could not know otherwise that it holds no more.
create or replace function afterthought.tell_endpoints(memory afterthought.memories, change text) returns void
language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
    insert into afterthought.webhook_deliveries (endpoint_id, tenant, user_id, memory_id, payload)
    select e.id, memory.tenant, memory.user_id, memory.id,
           jsonb_build_object(
               'type', event.name,
               'timestamp', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'data', case change
                   when 'deleted' then event.subject
                   else event.subject || jsonb_build_object(
                       'key', memory.key, 'content', memory.content, 'data', memory.data, 'confidence', memory.confidence,
                       'valid_from', memory.valid_from, 'valid_to', memory.valid_to,
                       'superseded_by', memory.superseded_by, 'expires_at', memory.expires_at)
               end)
    from afterthought.webhook_endpoints e,
         lateral (
             select case memory.type when 'action' then 'action.' else 'memory.' end
                        || case when memory.type <> 'action' then change
                                when change = 'created' then 'detected'
                                when change = 'superseded' then 'closed'
                                else change end,
                    jsonb_build_object(
                        'id', memory.id, 'user', memory.user_id, 'scope', memory.scope, 'type', memory.type,
                        'session', (select s.session from afterthought.sessions s where s.id = memory.session_id),
                        'version', memory.version)
         ) as event (name, subject)
    where e.tenant = memory.tenant
      and (e.event_types is null or event.name = any(e.event_types))
      and (e.memory_types is null or memory.type = any(e.memory_types));
$$;

create or replace function afterthought.tell_of_memory() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    was_current boolean := tg_op = 'UPDATE' and old.status = 'active' and old.valid_to is null;
    is_current boolean := new.status = 'active' and new.valid_to is null;
begin
    -- Nearly every tenant has no endpoint: this is all it pays.
    if not exists (select from afterthought.webhook_endpoints e where e.tenant = new.tenant) then
        return null;
    end if;
    if is_current and not was_current then
        perform afterthought.tell_endpoints(new, 'created');
    elsif is_current and (new.content is distinct from old.content or new.data is distinct from old.data
                          or new.expires_at is distinct from old.expires_at) then
        perform afterthought.tell_endpoints(new, 'updated');
    elsif tg_op = 'UPDATE' and old.status = 'active' and new.status = 'deleted' then
        perform afterthought.tell_endpoints(new, 'deleted');
    elsif was_current and not is_current then
        perform afterthought.tell_endpoints(new, 'superseded');
    end if;
    return null;
end
$$;

drop trigger memories_told_when_changed on afterthought.memories;
create trigger memories_told_when_changed after update of status, valid_to, content, data, expires_at on afterthought.memories
    for each row
    when (old.status is distinct from new.status or old.valid_to is distinct from new.valid_to
          or old.content is distinct from new.content or old.data is distinct from new.data
          or old.expires_at is distinct from new.expires_at)
    execute function afterthought.tell_of_memory();
