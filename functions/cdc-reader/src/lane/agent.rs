use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use domain::{SessionId, TenantId};
use jiff::Timestamp;

use super::{Next, after};

/// A session that goes on changing is woken after this many quiet periods at the latest.
const LONGEST_WAIT: u32 = 10;

/// The longest rest of a session that does not move, in sweep intervals.
pub(super) const LONGEST_REST: u32 = 16;

/// One agent's sessions.
#[derive(Debug, Default)]
pub(super) struct AgentLane {
    quiet: Option<Duration>,
    entries: HashMap<SessionId, Entry>,
    /// The lines: per tenant, in order of arrival.
    waiting: BTreeMap<Arc<TenantId>, VecDeque<SessionId>>,
    resting: BTreeSet<(Timestamp, SessionId)>,
    outstanding: BTreeMap<SessionId, Sent>,
    /// The tenant that was served last; the next one in the order of names is next.
    served: Option<Arc<TenantId>>,
    /// How many sessions have come through, and when the last one did.
    finished: u64,
    moved_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    tenant: Arc<TenantId>,
    version: i64,
    /// When it last began to wait for anything.
    since: Timestamp,
    /// How often it was woken and did not move.
    failures: u32,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// In its tenant's line.
    Waiting,
    /// Not before this moment.
    Resting { until: Timestamp },
    /// Woken.
    Outstanding,
}

/// What an agent was last woken for.
#[derive(Debug)]
struct Sent {
    version: i64,
    since: Timestamp,
    /// How many will have come through when all that were woken before have.
    behind: u64,
    /// When the session last got newer events.
    raised_at: Option<Timestamp>,
}

/// A session to wake the agent for, with its tenant and its version.
type Due = (Arc<TenantId>, SessionId, i64);

impl AgentLane {
    pub(super) fn new(quiet: Option<Duration>) -> Self {
        Self { quiet, ..Self::default() }
    }

    /// How many sessions there are, outstanding or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether a session is only woken after it has been quiet.
    pub(super) const fn keeps_quiet(&self) -> bool {
        self.quiet.is_some()
    }

    /// What is outstanding, and for which version.
    pub(super) fn outstanding(&self) -> impl Iterator<Item = (SessionId, i64)> {
        self.outstanding.iter().map(|(session, sent)| (*session, sent.version))
    }

    /// Takes everything out.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Due> + use<> {
        let all = std::mem::replace(self, Self::new(self.quiet));
        all.entries.into_iter().map(|(session, entry)| (entry.tenant, session, entry.version))
    }

    pub(super) fn refused(&mut self, session: SessionId, until: Timestamp) {
        if self.outstanding.remove(&session).is_some() {
            self.rest(session, until);
        }
    }

    pub(super) fn has_room_for(&self, session: SessionId, capacity: usize) -> bool {
        self.entries.len() < capacity || self.entries.contains_key(&session)
    }

    pub(super) fn arrived(
        &mut self,
        tenant: &Arc<TenantId>,
        session: SessionId,
        version: i64,
        now: Timestamp,
    ) {
        let Some(entry) = self.entries.get_mut(&session) else {
            self.enter(tenant, session, version, now);
            return self.settle(session, now);
        };
        if version <= entry.version {
            return;
        }
        entry.version = version;
        match &mut entry.place {
            Place::Waiting => {}
            Place::Outstanding => {
                if let Some(sent) = self.outstanding.get_mut(&session) {
                    sent.raised_at = Some(now);
                }
            }
            Place::Resting { until } => {
                self.resting.remove(&(*until, session));
                // What is new may go well where what was before did not.
                if std::mem::take(&mut entry.failures) > 0 {
                    entry.since = now;
                }
                self.settle(session, now);
            }
        }
    }

    pub(super) fn found(
        &mut self,
        tenant: &Arc<TenantId>,
        session: SessionId,
        version: i64,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&session) else {
            self.enter(tenant, session, version, now);
            self.wait(session);
            return true;
        };
        if version > entry.version {
            entry.version = version;
            if let Some(sent) = self.outstanding.get_mut(&session) {
                sent.raised_at.get_or_insert(now);
            }
        }
        false
    }

    fn enter(&mut self, tenant: &Arc<TenantId>, session: SessionId, version: i64, now: Timestamp) {
        let place = Place::Resting { until: now };
        let entry = Entry { tenant: Arc::clone(tenant), version, since: now, failures: 0, place };
        self.entries.insert(session, entry);
    }

    /// Lets a session with new events wait: until it has been quiet, if that is what the agent wants, then in line.
    fn settle(&mut self, session: SessionId, now: Timestamp) {
        match (self.quiet, self.entries.get(&session)) {
            (Some(quiet), Some(entry)) => {
                let latest = after(entry.since, quiet.saturating_mul(LONGEST_WAIT));
                self.rest(session, after(now, quiet).min(latest));
            }
            _ => self.wait(session),
        }
    }

    /// To the end of its tenant's line.
    fn wait(&mut self, session: SessionId) {
        let Some(entry) = self.entries.get_mut(&session) else { return };
        entry.place = Place::Waiting;
        self.waiting.entry(Arc::clone(&entry.tenant)).or_default().push_back(session);
    }

    fn rest(&mut self, session: SessionId, until: Timestamp) {
        let Some(entry) = self.entries.get_mut(&session) else { return };
        entry.place = Place::Resting { until };
        self.resting.insert((until, session));
    }

    pub(super) fn end_rests(&mut self, now: Timestamp) {
        while let Some(&(until, session)) = self.resting.first()
            && until <= now
        {
            self.resting.pop_first();
            self.wait(session);
        }
    }

    /// Gives away the places of sessions that do not move: as many others as there are places, all woken later, have
    /// come through, or none at all has for so long. An agent that is merely slow keeps its queue as short as it is.
    pub(super) fn give_up(&mut self, places: usize, interval: Duration, now: Timestamp) {
        let patience = interval.saturating_mul(2);
        let nothing_moves = self.moved_at.is_none_or(|moved_at| after(moved_at, patience) <= now);
        let stuck = |sent: &Sent| {
            let overtaken = self.finished >= sent.behind.saturating_add(places as u64);
            after(sent.since, patience) <= now && (overtaken || nothing_moves)
        };
        let given_up: Vec<_> =
            self.outstanding.iter().filter(|(_, sent)| stuck(sent)).map(|(session, _)| *session).collect();
        for session in given_up {
            self.outstanding.remove(&session);
            if let Some(entry) = self.entries.get_mut(&session) {
                let rest = 2_u32.saturating_pow(entry.failures).min(LONGEST_REST);
                entry.failures = entry.failures.saturating_add(1);
                self.rest(session, after(now, interval.saturating_mul(rest)));
            }
        }
    }

    /// Those in their place to be woken for newer events: an agent that waits for quiet has dropped the wake-up for
    /// the version before, any other finds the newer events with it.
    pub(super) fn renewed(&mut self, now: Timestamp) -> Vec<Due> {
        let Some(quiet) = self.quiet else { return Vec::new() };
        let mut renewed = Vec::new();
        for (session, sent) in &mut self.outstanding {
            if let Some(entry) = self.entries.get(session)
                && sent.raised_at.is_some_and(|raised_at| after(raised_at, quiet) <= now)
            {
                (sent.version, sent.raised_at) = (entry.version, None);
                renewed.push((Arc::clone(&entry.tenant), *session, entry.version));
            }
        }
        renewed
    }

    /// Gives the free places to those that wait, one tenant after the other.
    pub(super) fn fill(&mut self, places: usize, now: Timestamp) -> Vec<Due> {
        let mut released = Vec::new();
        while self.outstanding.len() < places
            && let Some((tenant, session)) = self.first_in_line()
        {
            let Some(entry) = self.entries.get_mut(&session) else { continue };
            let behind = self.finished + self.outstanding.len() as u64;
            entry.place = Place::Outstanding;
            let sent = Sent { version: entry.version, since: now, behind, raised_at: None };
            self.outstanding.insert(session, sent);
            released.push((tenant, session, entry.version));
        }
        released
    }

    fn first_in_line(&mut self) -> Option<(Arc<TenantId>, SessionId)> {
        let next = match &self.served {
            Some(served) => {
                let later = (Bound::Excluded(Arc::clone(served)), Bound::Unbounded);
                self.waiting.range(later).next().or_else(|| self.waiting.first_key_value())
            }
            None => self.waiting.first_key_value(),
        };
        let tenant = Arc::clone(next?.0);
        let line = self.waiting.get_mut(&tenant)?;
        let session = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&tenant);
        }
        self.served = Some(Arc::clone(&tenant));
        Some((tenant, session))
    }

    pub(super) fn came_through(&mut self, session: SessionId, version: i64, now: Timestamp) {
        // An answer about an earlier version says nothing about what was sent since.
        if self.outstanding.get(&session).is_none_or(|sent| sent.version != version) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&session) else { return };
        self.outstanding.remove(&session);
        self.finished += 1;
        self.moved_at = Some(now);
        if entry.version > version {
            (entry.failures, entry.since) = (0, now);
            self.settle(session, now);
        } else {
            self.entries.remove(&session);
        }
    }

    pub(super) fn next(&self, places: usize) -> Next {
        if self.outstanding.len() < places && !self.waiting.is_empty() {
            Next::Now
        } else if !self.outstanding.is_empty() {
            Next::Progress
        } else {
            self.resting.first().map_or(Next::Never, |(until, _)| Next::At(*until))
        }
    }
}
