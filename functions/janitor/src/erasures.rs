use std::collections::{HashMap, HashSet};

use domain::{Envelope, SessionId, TenantId, UserId, WakeUp};
use jiff::{SignedDuration, Timestamp};
use queue::Addressed;
use store::{Counts, ErasedSubject, OpenErasure};

use crate::{Error, Janitor, LONGEST_WAIT, Worked};

/// How many rows of a kind are deleted at a time.
const ROWS_AT_ONCE: u32 = 5_000;
/// How many objects of the archive are deleted before the time is looked at.
const OBJECTS_AT_ONCE: u32 = 20;
/// How many erasures of a tenant are read at a time.
const ERASURES_AT_ONCE: u16 = 100;
/// How many dead letters of a queue are looked at.
const MOST_LETTERS: usize = 10_000;

/// How far an erasure has come.
enum Further {
    OutOfTime,
    /// The last look is as far away.
    Settling(SignedDuration),
    Settled(Box<OpenErasure>),
}

/// What messages are known by that are about what was erased.
#[derive(Default)]
struct Gone {
    users: HashSet<(TenantId, UserId)>,
    sessions: HashSet<SessionId>,
    /// What was accepted is gone with them, by whose it was.
    said: HashMap<(TenantId, UserId), Vec<Until>>,
}

/// Until when what was accepted is gone, of one session or of all.
type Until = (Option<String>, Timestamp);

impl Gone {
    fn is_about(&self, envelope: &Envelope) -> bool {
        match &envelope.wake_up {
            WakeUp::Session { session, .. }
            | WakeUp::Window { session, .. }
            | WakeUp::Memories { session, .. } => self.sessions.contains(session),
            WakeUp::User { tenant, user } | WakeUp::TickRest { tenant, user } => {
                self.users.contains(&(tenant.clone(), user.clone()))
            }
            WakeUp::Tick | WakeUp::Endpoint { .. } => false,
        }
    }

    /// Whether a letter holds what somebody said who was erased, or in a session that was. What was accepted after the
    /// erasure is not of it, unless it had been in a table of the application's own; a letter that does not say when is.
    fn holds(&self, body: &str) -> bool {
        let Some(whose) = Addressed::read(body) else { return false };
        let Some(erased) = self.said.get(&(whose.tenant.clone(), whose.user.clone())) else { return false };
        erased.iter().any(|(name, erased_at)| {
            name.as_ref().is_none_or(|name| *name == whose.session) && whose.was_there_by(*erased_at)
        })
    }
}

impl Janitor {
    /// Clears away what erasures have left, and completes those that have settled.
    pub(crate) async fn finish_erasures(
        &self,
        tenants: impl Iterator<Item = &TenantId>,
        until: Timestamp,
    ) -> Result<Worked, Error> {
        let (mut settled, mut gone) = (Vec::new(), Gone::default());
        let mut settling: Option<SignedDuration> = None;
        for tenant in tenants {
            let mut after = None;
            loop {
                let open = match self.keeper.open_erasures(tenant, after, ERASURES_AT_ONCE).await {
                    Ok(open) => open,
                    Err(error) => {
                        tracing::error!(%tenant, %error, "the erasures of a tenant could not be read");
                        settling = Some(soonest(settling, LONGEST_WAIT));
                        break;
                    }
                };
                let Some(last) = open.last() else { break };
                after = Some(last.position());
                for erasure in open {
                    let id = erasure.id;
                    match self.further(erasure, until, &mut gone).await {
                        Ok(Further::OutOfTime) => return Ok(Worked::OutOfTime),
                        Ok(Further::Settling(rest)) => settling = Some(soonest(settling, rest)),
                        Ok(Further::Settled(erasure)) => settled.push(*erasure),
                        // The others have nothing to do with it; what is left is looked for again soon.
                        Err(error) => {
                            tracing::error!(erasure = %id, %error, "an erasure could not be taken further");
                            settling = Some(soonest(settling, LONGEST_WAIT));
                        }
                    }
                }
            }
        }
        if !settled.is_empty() {
            if self.is_over(until) {
                return Ok(Worked::OutOfTime);
            }
            if !self.complete(&settled, &gone).await? {
                settling = Some(soonest(settling, LONGEST_WAIT));
            }
        }
        Ok(settling.map_or(Worked::Done, Worked::Settling))
    }

    /// Takes an erasure as far as it goes now.
    async fn further(
        &self,
        erasure: OpenErasure,
        until: Timestamp,
        gone: &mut Gone,
    ) -> Result<Further, Error> {
        let erasure = self.finish_hot(erasure).await?;
        if !self.purge(&erasure, until).await? {
            return Ok(Further::OutOfTime);
        }
        Ok(match self.left_to_settle(&erasure).await? {
            Some(rest) => Further::Settling(rest),
            None if self.look_again(&erasure, until, gone).await? => Further::Settled(Box::new(erasure)),
            None => Further::OutOfTime,
        })
    }

    /// Takes everything out of hot state where whoever asked for the erasure ended before they did.
    async fn finish_hot(&self, erasure: OpenErasure) -> Result<OpenErasure, Error> {
        if !erasure.hot_is_left {
            return Ok(erasure);
        }
        let OpenErasure { id, tenant, user, session, .. } = &erasure;
        let items = match (erasure.subject, session) {
            (ErasedSubject::User, _) => self.hot.erase_user(tenant, user).await?,
            (ErasedSubject::Session, Some(name)) => self.hot.erase_session(tenant, user, name).await?,
            // What shows a memory can be made again, and goes with the last look.
            _ => 0,
        };
        let mut counts = Counts::default();
        counts.add("hot_items", i64::try_from(items).unwrap_or(i64::MAX));
        self.keeper.count_erased(tenant, *id, &counts).await?;
        Ok(erasure)
    }

    /// Deletes the objects and the rows that hang off sessions that are gone; whether none is left.
    async fn purge(&self, erasure: &OpenErasure, until: Timestamp) -> Result<bool, Error> {
        loop {
            if self.is_over(until) {
                return Ok(false);
            }
            let objects =
                self.keeper.clear_erased_archive(&erasure.tenant, erasure.id, OBJECTS_AT_ONCE).await?;
            metrics::counter!("Tidied", "What" => "archive_objects").increment(objects);
            if objects > 0 {
                continue;
            }
            // A session is not done with while a row names an object of it, so each turn looks for these first.
            let purged = self.keeper.purge_erased(&erasure.tenant, erasure.id, ROWS_AT_ONCE).await?;
            metrics::counter!("Tidied", "What" => "erased_rows").increment(purged.rows);
            if purged.is_done {
                return Ok(true);
            }
        }
    }

    /// How long it is until nothing that had begun before the erasure can write any more; `None` when that is so.
    async fn left_to_settle(&self, erasure: &OpenErasure) -> Result<Option<SignedDuration>, Error> {
        let rest = self.settings.settle - (self.now)().duration_since(erasure.erased_at);
        if rest.is_positive() {
            return Ok(Some(rest));
        }
        let is_alone = self.keeper.is_erasure_alone(&erasure.tenant, erasure.id).await?;
        Ok((!is_alone).then_some(LONGEST_WAIT))
    }

    /// The last look: rows and hot items that were written by what had begun before; whether none is left.
    async fn look_again(
        &self,
        erasure: &OpenErasure,
        until: Timestamp,
        gone: &mut Gone,
    ) -> Result<bool, Error> {
        let OpenErasure { id, tenant, user, session, .. } = erasure;
        self.keeper.look_again(erasure).await?;
        if !self.purge(erasure, until).await? {
            return Ok(false);
        }
        let mut sessions = self.keeper.gone_sessions(tenant, *id).await?;
        let mut items = 0;
        match erasure.subject {
            ErasedSubject::Memory => {
                for (_, name) in &erasure.evident {
                    items += self.hot.erase_derived(tenant, user, Some(name)).await?;
                }
                let evident: Vec<SessionId> = erasure.evident.iter().map(|(session, _)| *session).collect();
                items += self.hot.erase_runs(&evident).await?;
            }
            ErasedSubject::User | ErasedSubject::Session => {
                let accepted_by = erasure.erased_at;
                items += self.hot.erase_late(tenant, user, session.as_deref(), accepted_by).await?;
                items += self.hot.erase_runs(&sessions).await?;
            }
        }
        let objects = self.keeper.sweep_erased_archive(tenant, &sessions).await?;
        metrics::counter!("Tidied", "What" => "archive_objects").increment(objects);
        let mut counts = Counts::default();
        counts.add("hot_items", i64::try_from(items).unwrap_or(i64::MAX));
        counts.add("archive_objects", i64::try_from(objects).unwrap_or(i64::MAX));
        self.keeper.count_erased(tenant, *id, &counts).await?;
        gone.sessions.extend(sessions.drain(..));
        if erasure.subject != ErasedSubject::Memory {
            let said = gone.said.entry((tenant.clone(), user.clone())).or_default();
            said.push((session.clone(), erasure.erased_at));
        }
        if erasure.subject == ErasedSubject::User {
            gone.users.insert((tenant.clone(), user.clone()));
        }
        Ok(true)
    }

    /// Clears dead letters and freed rows away, and completes what has settled; whether that was all of it.
    async fn complete(&self, settled: &[OpenErasure], gone: &Gone) -> Result<bool, Error> {
        let mut looked = Vec::new();
        for (agent, _) in self.routes.all() {
            let Some(letters) = self.routes.dead_letters(agent) else { continue };
            let through = self
                .publisher
                .purge_dead_letters(&letters, MOST_LETTERS, |envelope| gone.is_about(envelope))
                .await?;
            looked.push(through);
        }
        if let Some(letters) = self.ingest_dead_letters.as_deref().filter(|_| !gone.said.is_empty()) {
            looked.push(self.publisher.purge_letters(letters, MOST_LETTERS, |body| gone.holds(body)).await?);
        }
        let deleted: usize = looked.iter().map(|through| through.done).sum();
        metrics::counter!("Tidied", "What" => "dead_letters").increment(deleted as u64);
        if looked.iter().any(|through| through.is_cut) {
            tracing::error!(
                "a queue has more than {MOST_LETTERS} dead letters, erasures stay open until all of them can be looked through"
            );
            return Ok(false);
        }
        self.keeper.vacuum().await?;
        let mut is_all = true;
        for erasure in settled {
            let left = self.keeper.complete_erasure(erasure).await?;
            if left.is_nothing() {
                metrics::counter!("ErasuresCompleted").increment(1);
                tracing::info!(erasure = %erasure.id, "an erasure is complete");
            } else {
                is_all = false;
                tracing::error!(erasure = %erasure.id, ?left, "rows of an erasure are left, the next tick looks again");
            }
        }
        self.keeper.vacuum_erasures().await?;
        Ok(is_all)
    }
}

/// The shorter of two waits, of which there may be but one.
fn soonest(one: Option<SignedDuration>, other: SignedDuration) -> SignedDuration {
    one.map_or(other, |one| one.min(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_letter_is_of_an_erasure_when_it_was_accepted_before_it() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let owner = |user: &str| (TenantId::new("acme").unwrap(), UserId::new(user).unwrap());
        let mut gone = Gone::default();
        gone.said.insert(owner("ada"), vec![(None, at(100))]);
        gone.said
            .insert(owner("ben"), vec![(Some("old".to_owned()), at(100)), (Some("new".to_owned()), at(200))]);
        let holds = |tenant: &str, user: &str, session: &str, second: i64| {
            let letter = json!({"format": 9, "tenant": tenant, "user": user, "session": session, "accepted_at": at(second)});
            gone.holds(&letter.to_string())
        };
        assert!(
            holds("acme", "ada", "any", 100) && !holds("acme", "ada", "any", 101),
            "a new life is no part of it"
        );
        assert!(!holds("other", "ada", "any", 1) && !holds("acme", "eve", "any", 1));
        assert!(holds("acme", "ben", "old", 100) && !holds("acme", "ben", "old", 150));
        assert!(holds("acme", "ben", "new", 150) && !holds("acme", "ben", "third", 1));
        assert!(gone.holds(r#"{"tenant": "acme", "user": "ada", "session": "any"}"#), "it does not say when");
        let row = |written: i64| {
            let events = json!([{"written_at": at(written)}]);
            let letter = json!({"tenant": "acme", "user": "ada", "session": "any", "accepted_at": at(150), "events": events});
            gone.holds(&letter.to_string())
        };
        assert!(row(100) && !row(101), "a row was there since it was written, whenever it was read");
        assert!(!gone.holds("what nobody can read") && !gone.holds(r#"{"tenant": "acme"}"#));
    }
}
