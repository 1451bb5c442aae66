//! Which sessions are woken now and which wait, so that a queue stays short however much there is to do.
//!
//! Pure: told what arrived, what was found behind and what has come through, it says whom to wake. Per agent at most
//! [`LanePolicy::sessions`] sessions are *outstanding* (woken, and the agent's cursor is not yet there); the others wait
//! in their tenant's line, and the lines take turns. There is one entry per agent and session, with the highest version.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use domain::{SessionId, TenantId};
use jiff::Timestamp;
use store::Behind;

/// A session that goes on changing is woken after this many quiet periods at the latest.
const LONGEST_WAIT: u32 = 10;

/// The longest rest of a session that does not move, in sweep intervals.
const LONGEST_REST: u32 = 16;

/// How long a wake-up that SQS refused rests.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// How much is on its way at once, and how long that may take.
#[derive(Debug, Clone)]
pub struct LanePolicy {
    /// Outstanding sessions per agent; 0 counts as 1.
    pub sessions: usize,
    /// The time between two sweeps. A session is outstanding for two of them before its place may go to another, and
    /// rests for 1, 2, 4, 8 and from then on 16 of them before it is woken again.
    pub interval: Duration,
    /// How long the agents named here want a session to be quiet before they are woken. They are woken without their
    /// queue's own delay, which would otherwise occupy a place for as long.
    pub quiet: BTreeMap<String, Duration>,
}

impl Default for LanePolicy {
    fn default() -> Self {
        Self { sessions: 64, interval: Duration::from_mins(1), quiet: BTreeMap::new() }
    }
}

/// A session to wake an agent for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wake {
    pub(crate) agent: Arc<str>,
    pub(crate) tenant: Arc<TenantId>,
    pub(crate) session: SessionId,
    pub(crate) version: i64,
    /// The lane has kept the quiet period: the queue need not.
    pub(crate) settled: bool,
}

/// When the lane is to be looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Next {
    /// Somebody waits and there is room.
    Now,
    /// Sessions are outstanding: their progress makes room.
    Progress,
    /// Nobody has to be looked after before this.
    At(Timestamp),
    /// It is empty.
    Never,
}

/// Sessions that wait to be woken and sessions that were, of every agent.
#[derive(Debug)]
pub(crate) struct Lane {
    places: usize,
    interval: Duration,
    /// One copy of each name, which all entries share.
    tenants: BTreeSet<Arc<TenantId>>,
    agents: BTreeMap<Arc<str>, AgentLane>,
}

impl Lane {
    pub(crate) fn new<'a>(agents: impl Iterator<Item = &'a str>, policy: &LanePolicy) -> Self {
        let lane = |agent: &str| {
            let quiet = policy.quiet.get(agent).copied().filter(|quiet| !quiet.is_zero());
            (Arc::from(agent), AgentLane { quiet, ..AgentLane::default() })
        };
        Self {
            places: policy.sessions.max(1),
            interval: policy.interval,
            tenants: BTreeSet::new(),
            agents: agents.map(lane).collect(),
        }
    }

    /// A session has new events: every agent is to be woken in its turn.
    pub(crate) fn arrived(&mut self, tenant: &TenantId, session: SessionId, version: i64, now: Timestamp) {
        let tenant = self.shared(tenant);
        for lane in self.agents.values_mut() {
            lane.arrived(&tenant, session, version, now);
        }
    }

    /// One agent has stayed behind on a session; answers whether that was not known. Such a session is quiet already.
    pub(crate) fn found(&mut self, behind: &Behind, now: Timestamp) -> bool {
        let tenant = self.shared(&behind.tenant);
        let lane = self.agents.get_mut(behind.agent.as_str());
        lane.is_some_and(|lane| lane.found(&tenant, behind.session, behind.version, now))
    }

    fn shared(&mut self, tenant: &TenantId) -> Arc<TenantId> {
        if let Some(known) = self.tenants.get(tenant) {
            return Arc::clone(known);
        }
        let new = Arc::new(tenant.clone());
        self.tenants.insert(Arc::clone(&new));
        new
    }

    /// Whom to wake now. They are outstanding from here on.
    pub(crate) fn release(&mut self, now: Timestamp) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for (agent, lane) in &mut self.agents {
            lane.end_rests(now);
            lane.give_up(self.places, self.interval, now);
            let released = lane.renewed(now).into_iter().chain(lane.fill(self.places, now));
            let settled = lane.quiet.is_some();
            wakes.extend(released.map(|(tenant, session, version)| Wake {
                agent: Arc::clone(agent),
                tenant,
                session,
                version,
                settled,
            }));
        }
        wakes
    }

    /// Agent, session and version of everything that is outstanding.
    pub(crate) fn outstanding(&self) -> Vec<(Arc<str>, SessionId, i64)> {
        let of = |(agent, lane): (&Arc<str>, &AgentLane)| {
            let agent = Arc::clone(agent);
            lane.sent().map(move |(session, sent)| (Arc::clone(&agent), session, sent)).collect::<Vec<_>>()
        };
        self.agents.iter().flat_map(of).collect()
    }

    /// Nothing is left to do for the version that was sent: the cursor is there, or the session is held or gone.
    pub(crate) fn came_through(&mut self, agent: &str, session: SessionId, version: i64, now: Timestamp) {
        if let Some(lane) = self.agents.get_mut(agent) {
            lane.came_through(session, version, now);
        }
    }

    /// A wake-up was not accepted: its place is free, and it is tried again a little later.
    pub(crate) fn refused(&mut self, agent: &str, session: SessionId, now: Timestamp) {
        if let Some(lane) = self.agents.get_mut(agent)
            && lane.outstanding.remove(&session)
        {
            lane.rest(session, after(now, AFTER_REFUSAL));
        }
    }

    /// When to look after it.
    pub(crate) fn next(&self) -> Next {
        self.agents.values().map(|lane| lane.next(self.places)).min().unwrap_or(Next::Never)
    }

    /// Per agent: how many sessions wait or rest, and how many are outstanding.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&Arc<str>, usize, usize)> {
        self.agents.iter().map(|(agent, lane)| {
            let outstanding = lane.outstanding.len();
            (agent, lane.entries.len() - outstanding, outstanding)
        })
    }

    /// Takes everything out, whatever its state.
    pub(crate) fn take(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for (agent, lane) in &mut self.agents {
            let quiet = lane.quiet;
            let all = std::mem::replace(lane, AgentLane { quiet, ..AgentLane::default() }).entries;
            wakes.extend(all.into_iter().map(|(session, entry)| Wake {
                agent: Arc::clone(agent),
                tenant: entry.tenant,
                session,
                version: entry.version,
                settled: false,
            }));
        }
        wakes
    }
}

/// One agent's sessions.
#[derive(Debug, Default)]
struct AgentLane {
    quiet: Option<Duration>,
    entries: HashMap<SessionId, Entry>,
    /// The lines: per tenant, in order of arrival.
    waiting: BTreeMap<Arc<TenantId>, VecDeque<SessionId>>,
    resting: BTreeSet<(Timestamp, SessionId)>,
    outstanding: BTreeSet<SessionId>,
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
    Outstanding {
        /// For this version.
        sent: i64,
        since: Timestamp,
        /// How many will have come through when all that were woken before have.
        behind: u64,
        /// When it last got newer events.
        raised_at: Option<Timestamp>,
    },
}

impl AgentLane {
    fn arrived(&mut self, tenant: &Arc<TenantId>, session: SessionId, version: i64, now: Timestamp) {
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
            Place::Outstanding { raised_at, .. } => *raised_at = Some(now),
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

    fn found(&mut self, tenant: &Arc<TenantId>, session: SessionId, version: i64, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&session) else {
            self.enter(tenant, session, version, now);
            self.wait(session);
            return true;
        };
        if version > entry.version {
            entry.version = version;
            if let Place::Outstanding { raised_at, .. } = &mut entry.place {
                raised_at.get_or_insert(now);
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

    fn end_rests(&mut self, now: Timestamp) {
        while let Some(&(until, session)) = self.resting.first()
            && until <= now
        {
            self.resting.pop_first();
            self.wait(session);
        }
    }

    /// Gives away the places of sessions that do not move: as many others as there are places, all woken later, have
    /// come through, or none at all has for so long. An agent that is merely slow keeps its queue as short as it is.
    fn give_up(&mut self, places: usize, interval: Duration, now: Timestamp) {
        let patience = interval.saturating_mul(2);
        let nothing_moves = self.moved_at.is_none_or(|moved_at| after(moved_at, patience) <= now);
        let finished = self.finished;
        let stuck = |session: &SessionId| match self.entries.get(session).map(|entry| &entry.place) {
            Some(Place::Outstanding { since, behind, .. }) => {
                let overtaken = finished >= behind.saturating_add(places as u64);
                after(*since, patience) <= now && (overtaken || nothing_moves)
            }
            _ => false,
        };
        for session in self.outstanding.iter().copied().filter(stuck).collect::<Vec<_>>() {
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
    fn renewed(&mut self, now: Timestamp) -> Vec<(Arc<TenantId>, SessionId, i64)> {
        let Some(quiet) = self.quiet else { return Vec::new() };
        let mut renewed = Vec::new();
        for session in &self.outstanding {
            let Some(entry) = self.entries.get_mut(session) else { continue };
            if let Place::Outstanding { sent, raised_at, .. } = &mut entry.place
                && raised_at.is_some_and(|raised_at| after(raised_at, quiet) <= now)
            {
                (*sent, *raised_at) = (entry.version, None);
                renewed.push((Arc::clone(&entry.tenant), *session, entry.version));
            }
        }
        renewed
    }

    /// Gives the free places to those that wait, one tenant after the other.
    fn fill(&mut self, places: usize, now: Timestamp) -> Vec<(Arc<TenantId>, SessionId, i64)> {
        let mut released = Vec::new();
        while self.outstanding.len() < places
            && let Some((tenant, session)) = self.first_in_line()
        {
            let Some(entry) = self.entries.get_mut(&session) else { continue };
            let behind = self.finished + self.outstanding.len() as u64;
            entry.place = Place::Outstanding { sent: entry.version, since: now, behind, raised_at: None };
            self.outstanding.insert(session);
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

    fn sent(&self) -> impl Iterator<Item = (SessionId, i64)> {
        self.outstanding.iter().filter_map(|session| match self.entries.get(session)?.place {
            Place::Outstanding { sent, .. } => Some((*session, sent)),
            _ => None,
        })
    }

    fn came_through(&mut self, session: SessionId, version: i64, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&session) else { return };
        // An answer about an earlier version says nothing about what was sent since.
        if !matches!(entry.place, Place::Outstanding { sent, .. } if sent == version) {
            return;
        }
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

    fn next(&self, places: usize) -> Next {
        if self.outstanding.len() < places && !self.waiting.is_empty() {
            Next::Now
        } else if !self.outstanding.is_empty() {
            Next::Progress
        } else {
            self.resting.first().map_or(Next::Never, |(until, _)| Next::At(*until))
        }
    }
}

fn after(moment: Timestamp, time: Duration) -> Timestamp {
    moment.saturating_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
