use domain::{Retention, TenantId};
use jiff::Timestamp;
use store::{Archived, IdleSession, SessionPath, idle_before, orphaned_before, writers_ended_before};

use crate::{Error, Janitor, Worked};

/// So many sessions are looked for at a time.
const SESSIONS_AT_ONCE: u32 = 1_000;
/// So many objects are deleted before the time is looked at.
const OBJECTS_AT_ONCE: u32 = 20;
/// So many keys of the archive are looked at before the time is.
const KEYS_AT_ONCE: usize = 1_000;
/// So often, in one tick, for one tenant; the next day's goes on there.
const MOST_LOOKS: u32 = 50;

impl Janitor {
    /// Deletes objects that nothing stands for, brings back sessions that somebody went on with, and archives those in which
    /// nothing has happened for long.
    pub(crate) async fn tend_archive(
        &self,
        tenant: &TenantId,
        periods: Retention,
        until: Timestamp,
    ) -> Result<Worked, Error> {
        let now = (self.now)();
        let ended = writers_ended_before(now);
        loop {
            if self.is_over(until) {
                return Ok(Worked::OutOfTime);
            }
            let objects = self.keeper.clear_archive(tenant, ended, OBJECTS_AT_ONCE).await?;
            metrics::counter!("Tidied", "What" => "archive_objects").increment(objects);
            if objects < u64::from(OBJECTS_AT_ONCE) {
                break;
            }
        }
        let idle_since = idle_before(periods, now);
        for session in
            self.keeper.sessions_to_restore(tenant, idle_since.unwrap_or(Timestamp::UNIX_EPOCH)).await?
        {
            if self.restore(tenant, &session, until).await? == Worked::OutOfTime {
                return Ok(Worked::OutOfTime);
            }
        }
        let Some(since) = idle_since else { return Ok(Worked::Done) };
        let mut after = None;
        loop {
            let sessions = self.keeper.sessions_to_archive(tenant, since, after, SESSIONS_AT_ONCE).await?;
            for session in &sessions {
                if self.archive(tenant, session, since, until).await? == Worked::OutOfTime {
                    return Ok(Worked::OutOfTime);
                }
            }
            after = match sessions.last() {
                Some(last) if sessions.len() == SESSIONS_AT_ONCE as usize => Some(last.id),
                _ => return Ok(Worked::Done),
            };
        }
    }

    /// Deletes objects that no row names, once they are old enough.
    pub(crate) async fn sweep_orphans(
        &self,
        tenant: &TenantId,
        periods: Retention,
        until: Timestamp,
    ) -> Result<Worked, Error> {
        let Some(before) = orphaned_before(periods, (self.now)()) else { return Ok(Worked::Done) };
        for _ in 0..MOST_LOOKS {
            if self.is_over(until) {
                return Ok(Worked::OutOfTime);
            }
            let swept = self.keeper.sweep_orphans(tenant, before, KEYS_AT_ONCE).await?;
            metrics::counter!("Tidied", "What" => "archive_orphans").increment(swept.deleted);
            if swept.is_done {
                break;
            }
        }
        Ok(Worked::Done)
    }

    /// What happened in a session goes to the archive, one object after the other, once its last state is kept: until something
    /// happens in it.
    async fn archive(
        &self,
        tenant: &TenantId,
        session: &IdleSession,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Worked, Error> {
        if self.is_over(until) {
            return Ok(Worked::OutOfTime);
        }
        if let Err(error) = self.keeper.keep_last_state(tenant, session).await {
            let is_of_session = match &error {
                store::Error::Gap { .. } | store::Error::Stored { .. } => true,
                store::Error::Archive(error) => error.is_loss(),
                _ => false,
            };
            if !is_of_session {
                return Err(error.into());
            }
            tracing::error!(session = %session.id, %error, "a session is left as it is");
            return Ok(Worked::Done);
        }
        let (mut after, mut archived) = (0, false);
        loop {
            if self.is_over(until) {
                return Ok(Worked::OutOfTime);
            }
            match self.keeper.archive_next(tenant, session, since, after).await? {
                Archived::Some { events, through } => {
                    metrics::counter!("Tidied", "What" => "archived_events").increment(events);
                    (after, archived) = (through, true);
                }
                Archived::All => break,
                Archived::Taken => return Ok(Worked::Done),
            }
        }
        metrics::counter!("Tidied", "What" => "archived_sessions").increment(u64::from(archived));
        Ok(Worked::Done)
    }

    /// What happened in a session comes back. What cannot be read stays where it is, and is told of again tomorrow.
    async fn restore(
        &self,
        tenant: &TenantId,
        session: &IdleSession,
        until: Timestamp,
    ) -> Result<Worked, Error> {
        let path = SessionPath { tenant, user: &session.user, session: &session.name };
        loop {
            if self.is_over(until) {
                return Ok(Worked::OutOfTime);
            }
            match self.keeper.restore_next(path).await {
                Ok(Some(restored)) => {
                    metrics::counter!("Tidied", "What" => "restored_events").increment(restored.events);
                    if restored.is_done {
                        return Ok(Worked::Done);
                    }
                }
                Ok(None) => return Ok(Worked::Done),
                Err(store::Error::Archive(error)) if error.is_loss() => {
                    metrics::counter!("ArchiveDamaged").increment(1);
                    tracing::error!(session = %session.id, %error, "a session cannot be brought back");
                    return Ok(Worked::Done);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
