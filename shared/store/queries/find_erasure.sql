-- The last erasure of a user, a session or a memory, locked so that it is not completed meanwhile, and whether it goes on when it is
-- asked for again. Not for longer than an hour: whoever asks again and again would never see it complete.
-- $1 tenant, $2 user, $3 which of the three, $4 the session's or the memory's name, null for a user.
select id, subject, counts, erased_at, purged_at, completed_at, null::jsonb as waits_for,
       completed_at is null and coalesce(asked_at, erased_at) > clock_timestamp() - interval '1 hour' as goes_on
from afterthought.erasures
where tenant = $1 and user_digest = afterthought.subject_digest($1, $2) and subject = $3
  and subject_digest = case when $4::text is null then afterthought.subject_digest($1, $2)
                            else afterthought.subject_digest($1, $2, $4) end
order by erased_at desc
limit 1
for update
