use std::collections::{HashMap, HashSet};

use domain::{Envelope, SessionId, TenantId, UserId, WakeUp};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use queue::{Addressed, LookedThrough};
use runtime::user_as_a_whole;
use store::{Counts, ErasedSubject, OpenErasure};
use uuid::Uuid;

use crate::{Error, Janitor, LONGEST_WAIT, Worked};

/// How many rows of a kind are deleted at a time.
const ROWS_AT_ONCE: u32 = 5_000;
/// How many objects of the archive are deleted before the time is looked at.
const OBJECTS_AT_ONCE: u32 = 20;
/// How many erasures of a tenant are read at a time.
const ERASURES_AT_ONCE: u16 = 100;
/// How many sessions are swept before the time is looked at.
const SESSIONS_AT_ONCE: u16 = 100;
/// How many dead letters of a queue are looked at.
const MOST_LETTERS: usize = 10_000;
/// So many erasures are completed at a time: those behind them that take all the time there is take nothing away from them.
const COMPLETED_AT_ONCE: usize = 50;
/// Completing has at least this part of the time, or so long.
const COMPLETING_PART: i32 = 4;
const COMPLETING_TIME: SignedDuration = SignedDuration::from_mins(2);
/// No erasure has more than this part of the time that is left, so that one of many sessions leaves some to the others.
const ONE_PART: i32 = 4;

/// How far an erasure has come.
enum Further {
    OutOfTime,
    /// The last look is as far away.
    Settling(SignedDuration),
    Settled(Box<OpenErasure>),
}

/// What became of erasures that had settled.
enum Completed {
    All,
    /// Of one there are rows left, or something failed with it.
    Some,
    /// None: dead letters could not be looked through.
    None,
}

/// What one tick has done for erasures so far.
#[derive(Default)]
struct Course {
    settled: Vec<OpenErasure>,
    gone: Gone,
    /// The complete ones of each tenant.
    complete: HashMap<TenantId, Vec<Uuid>>,
    /// When there is something to look at again.
    settling: Option<SignedDuration>,
    is_out_of_time: bool,
    /// Whether dead letters could not be looked through: they will not be a moment later.
    is_held_up: bool,
}

impl Course {
    fn look_again_in(&mut self, rest: SignedDuration) {
        self.settling = Some(self.settling.map_or(rest, |soonest| soonest.min(rest)));
    }
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
    /// Clears away what erasures have left, completes those that have settled, and frees the space of what they had.
    pub(crate) async fn finish_erasures(
        &self,
        tenants: impl Iterator<Item = &TenantId>,
        until: Timestamp,
    ) -> Worked {
        let mut course = Course::default();
        let reserved = (self.part_of(until, COMPLETING_PART)).min(COMPLETING_TIME);
        let clearing_until = until.saturating_sub(reserved.max(SignedDuration::ZERO)).unwrap_or(until);
        for tenant in tenants {
            if self.is_over(clearing_until) {
                course.is_out_of_time = true;
                break;
            }
            self.finish_erasures_of(tenant, clearing_until, until, &mut course).await;
        }
        self.complete(&mut course, until).await;
        self.free(&course, until).await;
        match course.settling {
            // Held up, nothing would be completed a moment later either.
            _ if course.is_out_of_time && !course.is_held_up => Worked::OutOfTime,
            Some(rest) => Worked::Settling(rest),
            None => Worked::Done,
        }
    }

    async fn finish_erasures_of(
        &self,
        tenant: &TenantId,
        clearing_until: Timestamp,
        until: Timestamp,
        course: &mut Course,
    ) {
        let mut after = None;
        loop {
            let open = match self.keeper.open_erasures(tenant, after, ERASURES_AT_ONCE).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::error!(%tenant, %error, "the erasures of a tenant could not be read");
                    course.look_again_in(LONGEST_WAIT);
                    return;
                }
            };
            let Some(last) = open.last() else { return };
            after = Some(last.position());
            for erasure in open {
                if self.is_over(clearing_until) {
                    course.is_out_of_time = true;
                    return;
                }
                let id = erasure.id;
                let part = self.part_of(clearing_until, ONE_PART);
                let its_end = (self.now)().saturating_add(part).unwrap_or(clearing_until);
                match self.further(erasure, its_end, &mut course.gone).await {
                    Ok(Further::OutOfTime) => course.is_out_of_time = true,
                    Ok(Further::Settling(rest)) => course.look_again_in(rest),
                    Ok(Further::Settled(erasure)) => course.settled.push(*erasure),
                    // The others have nothing to do with it; what is left is looked for again soon.
                    Err(error) => {
                        tracing::error!(erasure = %id, %error, "an erasure could not be taken further");
                        course.look_again_in(LONGEST_WAIT);
                    }
                }
                if course.settled.len() >= COMPLETED_AT_ONCE {
                    self.complete(course, until).await;
                }
            }
        }
    }

    /// A part of the time that is left; negative when none is.
    fn part_of(&self, until: Timestamp, part: i32) -> SignedDuration {
        until.duration_since((self.now)()) / part
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
        let items = match erasure.subject {
            ErasedSubject::Memory => {
                let mut items = 0;
                for (_, name) in &erasure.evident {
                    items += self.hot.erase_derived(tenant, user, Some(name)).await?;
                }
                let evident: Vec<SessionId> = erasure.evident.iter().map(|(session, _)| *session).collect();
                items + self.hot.erase_runs(&evident).await?
            }
            ErasedSubject::User => {
                let items = self.hot.erase_late(tenant, user, None, erasure.erased_at).await?;
                items + self.hot.erase_runs(&[user_as_a_whole(tenant, user)]).await?
            }
            ErasedSubject::Session => {
                self.hot.erase_late(tenant, user, session.as_deref(), erasure.erased_at).await?
            }
        };
        self.count(erasure, items, 0).await?;
        if !self.sweep(erasure, until).await? {
            return Ok(false);
        }
        gone.sessions.extend(self.keeper.gone_sessions(tenant, *id).await?);
        if erasure.subject != ErasedSubject::Memory {
            let said = gone.said.entry((tenant.clone(), user.clone())).or_default();
            said.push((session.clone(), erasure.erased_at));
        }
        if erasure.subject == ErasedSubject::User {
            gone.users.insert((tenant.clone(), user.clone()));
        }
        Ok(true)
    }

    /// Deletes what hot state and the archive have under the identifiers of sessions that are gone, of so many after so many; whether
    /// that was all of them. Those that are done with are noted, and the next tick goes on behind them.
    async fn sweep(&self, erasure: &OpenErasure, until: Timestamp) -> Result<bool, Error> {
        let mut after = None;
        loop {
            let sessions = self.keeper.sessions_to_sweep(erasure, after, SESSIONS_AT_ONCE).await?;
            let Some(last) = sessions.last() else { return Ok(true) };
            if self.is_over(until) {
                return Ok(false);
            }
            after = Some(*last);
            let items = self.hot.erase_runs(&sessions).await?;
            let objects = self.keeper.sweep_erased_archive(&erasure.tenant, &sessions).await?;
            metrics::counter!("Tidied", "What" => "archive_objects").increment(objects);
            self.count(erasure, items, objects).await?;
            self.keeper.mark_sessions_swept(erasure, &sessions).await?;
        }
    }

    /// Adds to a receipt what the last look has found.
    async fn count(&self, erasure: &OpenErasure, items: u64, objects: u64) -> Result<(), Error> {
        let mut counts = Counts::default();
        counts.add("hot_items", i64::try_from(items).unwrap_or(i64::MAX));
        counts.add("archive_objects", i64::try_from(objects).unwrap_or(i64::MAX));
        if !counts.is_nothing() {
            self.keeper.count_erased(&erasure.tenant, erasure.id, &counts).await?;
        }
        Ok(())
    }

    /// Completes what has settled so far, unless dead letters about it may be left.
    async fn complete(&self, course: &mut Course, until: Timestamp) {
        let (settled, gone) = (std::mem::take(&mut course.settled), std::mem::take(&mut course.gone));
        if settled.is_empty() {
            return;
        }
        if course.is_held_up {
            return course.look_again_in(LONGEST_WAIT);
        }
        if self.is_over(until) {
            course.is_out_of_time = true;
            return;
        }
        let completed = self.complete_settled(&settled, &gone, &mut course.complete).await;
        let completed = completed.unwrap_or_else(|error| {
            tracing::error!(%error, "dead letters could not be looked through, erasures stay open");
            Completed::None
        });
        course.is_held_up = matches!(completed, Completed::None);
        if !matches!(completed, Completed::All) {
            course.look_again_in(LONGEST_WAIT);
        }
    }

    /// Clears dead letters away, and completes what has settled.
    async fn complete_settled(
        &self,
        settled: &[OpenErasure],
        gone: &Gone,
        complete: &mut HashMap<TenantId, Vec<Uuid>>,
    ) -> Result<Completed, Error> {
        let looked = self.clear_dead_letters(gone).await?;
        let deleted: usize = looked.iter().map(|through| through.done).sum();
        metrics::counter!("Tidied", "What" => "dead_letters").increment(deleted as u64);
        if looked.iter().any(|through| through.is_cut) {
            tracing::error!(
                "dead letters could not all be looked through, erasures stay open: a queue has more than {MOST_LETTERS}, \
                 or somebody else has some of them"
            );
            return Ok(Completed::None);
        }
        let mut is_all = true;
        for erasure in settled {
            match self.keeper.complete_erasure(erasure).await {
                Ok(left) if left.is_nothing() => {
                    metrics::counter!("ErasuresCompleted").increment(1);
                    tracing::info!(erasure = %erasure.id, "an erasure is complete");
                    complete.entry(erasure.tenant.clone()).or_default().push(erasure.id);
                }
                Ok(left) => {
                    is_all = false;
                    tracing::error!(erasure = %erasure.id, ?left, "rows of an erasure are left, the next tick looks again");
                }
                Err(error) => {
                    is_all = false;
                    tracing::error!(erasure = %erasure.id, %error, "an erasure could not be completed");
                }
            }
        }
        Ok(if is_all { Completed::All } else { Completed::Some })
    }

    /// Deletes the dead letters that are about what is gone.
    async fn clear_dead_letters(&self, gone: &Gone) -> Result<Vec<LookedThrough>, Error> {
        let queues: HashSet<String> =
            self.routes.all().filter_map(|(agent, _)| self.routes.dead_letters(agent)).collect();
        let of_agents = queues.iter().map(|letters| {
            self.publisher.purge_dead_letters(letters, MOST_LETTERS, |envelope| gone.is_about(envelope))
        });
        let mut looked = try_join_all(of_agents).await?;
        if let Some(letters) = self.ingest_dead_letters.as_deref().filter(|_| !gone.said.is_empty()) {
            looked.push(self.publisher.purge_letters(letters, MOST_LETTERS, |body| gone.holds(body)).await?);
        }
        Ok(looked)
    }

    /// Has the space of what is complete used again, and takes it out of the statistics, as far as there is time: nothing waits
    /// for it, and autovacuum comes by anyway.
    async fn free(&self, course: &Course, until: Timestamp) {
        let mut layers = HashSet::new();
        for (tenant, erasures) in &course.complete {
            match self.keeper.erased_layers(tenant, erasures).await {
                Ok(found) => layers.extend(found),
                Err(error) => tracing::warn!(%tenant, %error, "what erasures had is not known"),
            }
        }
        let left = until.duration_since((self.now)());
        if course.complete.is_empty() || !left.is_positive() {
            return;
        }
        match self.keeper.vacuum_erased(&layers, left.unsigned_abs()).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("there was no time to free all of the space of what was erased"),
            Err(error) => tracing::warn!(%error, "the space of what was erased was not freed"),
        }
    }
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
