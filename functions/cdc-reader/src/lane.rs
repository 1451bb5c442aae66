//! Which sessions are woken now and which wait, so that a queue stays short however much there is to do.
//!
//! Pure: told what arrived, what was found behind and what has come through, it says whom to wake. Per agent at most
//! [`LanePolicy::sessions`] sessions are *outstanding* (woken, and the agent's cursor is not yet there); the others wait
//! in their tenant's line, and the lines take turns. There is one entry per agent and session, with the highest version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{SessionId, TenantId};
use jiff::Timestamp;
use store::Behind;

use agent::AgentLane;

mod agent;

/// How many sessions are kept per agent, some 130 bytes each. More are left to the sweep.
const CAPACITY: usize = 50_000;

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
    capacity: usize,
    /// Sessions were turned away since the last sweep of all.
    is_short: bool,
    /// One copy of each name, which all entries share.
    tenants: BTreeSet<Arc<TenantId>>,
    agents: BTreeMap<Arc<str>, AgentLane>,
}

impl Lane {
    pub(crate) fn new<'a>(agents: impl Iterator<Item = &'a str>, policy: &LanePolicy) -> Self {
        let lane = |agent: &str| {
            let quiet = policy.quiet.get(agent).copied().filter(|quiet| !quiet.is_zero());
            (Arc::from(agent), AgentLane::new(quiet))
        };
        Self {
            places: policy.sessions.max(1),
            interval: policy.interval,
            capacity: CAPACITY,
            is_short: false,
            tenants: BTreeSet::new(),
            agents: agents.map(lane).collect(),
        }
    }

    /// A session has new events: every agent is to be woken in its turn.
    pub(crate) fn arrived(&mut self, tenant: &TenantId, session: SessionId, version: i64, now: Timestamp) {
        let tenant = self.shared(tenant);
        for lane in self.agents.values_mut() {
            if lane.has_room_for(session, self.capacity) {
                lane.arrived(&tenant, session, version, now);
            } else {
                self.is_short = true;
            }
        }
    }

    /// One agent has stayed behind on a session; answers whether that was not known. Such a session is quiet already.
    pub(crate) fn found(&mut self, behind: &Behind, now: Timestamp) -> bool {
        let tenant = self.shared(&behind.tenant);
        let Some(lane) = self.agents.get_mut(behind.agent.as_str()) else { return false };
        if !lane.has_room_for(behind.session, self.capacity) {
            self.is_short = true;
            return false;
        }
        lane.found(&tenant, behind.session, behind.version, now)
    }

    /// There are more sessions behind than it was told of.
    pub(crate) fn is_not_all(&mut self) {
        self.is_short = true;
    }

    /// Whether sessions were turned away and there is room for them again, so that all are to be looked at; says so
    /// once.
    pub(crate) fn asks_for_all(&mut self) -> bool {
        let has_room = |lane: &AgentLane| lane.len() <= self.capacity / 2;
        let asks = self.is_short && self.agents.values().all(has_room);
        self.is_short &= !asks;
        asks
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
            let settled = lane.keeps_quiet();
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
        let mut all = Vec::new();
        for (agent, lane) in &self.agents {
            all.extend(lane.outstanding().map(|(session, version)| (Arc::clone(agent), session, version)));
        }
        all
    }

    /// Nothing is left to do for the version that was sent: the cursor is there, or the session is held or gone.
    pub(crate) fn came_through(&mut self, agent: &str, session: SessionId, version: i64, now: Timestamp) {
        if let Some(lane) = self.agents.get_mut(agent) {
            lane.came_through(session, version, now);
        }
    }

    /// A wake-up was not accepted: its place is free, and it is tried again a little later.
    pub(crate) fn refused(&mut self, agent: &str, session: SessionId, now: Timestamp) {
        if let Some(lane) = self.agents.get_mut(agent) {
            lane.refused(session, after(now, AFTER_REFUSAL));
        }
    }

    /// When to look after it.
    pub(crate) fn next(&self) -> Next {
        self.agents.values().map(|lane| lane.next(self.places)).min().unwrap_or(Next::Never)
    }

    /// Per agent: how many sessions wait or rest, and how many are outstanding.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&Arc<str>, usize, usize)> {
        self.agents.iter().map(|(agent, lane)| {
            let outstanding = lane.outstanding().count();
            (agent, lane.len() - outstanding, outstanding)
        })
    }

    /// Takes everything out, whatever its state.
    pub(crate) fn take(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        for (agent, lane) in &mut self.agents {
            wakes.extend(lane.take().map(|(tenant, session, version)| Wake {
                agent: Arc::clone(agent),
                tenant,
                session,
                version,
                settled: false,
            }));
        }
        wakes
    }
}

fn after(moment: Timestamp, time: Duration) -> Timestamp {
    moment.saturating_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
