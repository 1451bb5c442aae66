use jiff::Timestamp;

use super::Suite;
use super::hot::Hot;
use super::queue::{Message, Queue, Says};
use super::worker::Worker;
use crate::flow::Seen;

pub(super) const AGENTS: usize = 3;
/// Thinks at once; what it fails at, its queue repeats.
pub(super) const PLAIN: usize = 0;
/// Thinks when a session is quiet.
pub(super) const DEBOUNCED: usize = 1;
/// Waits for [`PLAIN`].
pub(super) const WAITING: usize = 2;
/// The most events of a window.
const WINDOW: i64 = 4;
/// The quiet period of the debounced agent's queue, in seconds.
pub(super) const QUIET: i64 = 30;
/// After how long the sweep looks for what has been left behind, in seconds.
pub(super) const GRACE: i64 = 60;

/// What becomes of a run whose window holds the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fine,
    FailsSometimes,
    Fails,
    FailsForGood,
    /// What is thought about it cannot be stored.
    Refused,
    Kills,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) accepted: i64,
    pub(super) kind: Kind,
    /// Which agent it is poison for; `AGENTS` for all.
    pub(super) to: usize,
}

/// Where an agent is in a session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    pub(super) cursor: i64,
    pub(super) generation: i64,
    /// Up to where the effective runs of this and the earlier generations lie end to end.
    covered: i64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) tenant: Option<usize>,
    pub(super) agent: Option<usize>,
    pub(super) session: Option<usize>,
    pub(super) until: Option<i64>,
}

impl Hold {
    pub(super) fn is_on(&self, session: usize, agent: usize) -> bool {
        self.tenant.is_none_or(|tenant| tenant == tenant_of(session))
            && self.agent.is_none_or(|it| it == agent)
            && self.session.is_none_or(|it| it == session)
    }
}

/// A run that set a window aside, or was about to.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may have happened to it")]
pub(super) struct Record {
    pub(super) agent: usize,
    pub(super) session: usize,
    pub(super) after: i64,
    pub(super) through: i64,
    /// Whether its dead letter was published.
    pub(super) published: bool,
    /// Whether the run is recorded.
    pub(super) recorded: bool,
    /// Whether it counts no more: redriven, or thought about again after a replay.
    pub(super) closed: bool,
    /// How many redrives had an effect.
    pub(super) redriven: u32,
    /// Whether its dead letter was moved back to the queue at the end.
    pub(super) sent_back: bool,
}

/// A wake-up the reader knows of and has not sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) agent: usize,
    pub(super) session: usize,
    pub(super) version: i64,
}

/// What a model's provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Up,
    Down,
    Later(u64),
    Exhausted,
    ExhaustedUntil(i64),
}

/// Everything outside the machine, and what it is held to.
#[derive(Debug)]
pub(super) struct World {
    pub(super) suite: &'static Suite,
    pub(super) now: i64,
    pub(super) step: u32,
    /// The log of every session.
    pub(super) sessions: Vec<Vec<Event>>,
    pub(super) positions: Vec<[Position; AGENTS]>,
    pub(super) holds: Vec<Hold>,
    pub(super) records: Vec<Record>,
    pub(super) hot: Hot,
    pub(super) queues: [Queue; AGENTS],
    pub(super) pending: Vec<Pending>,
    pub(super) provider: Provider,
    pub(super) workers: Vec<Worker>,
    pub(super) messages: usize,
    pub(super) holders: usize,
    /// Per message: how often sending it anew failed when SQS was about to give up on it.
    pub(super) failed_sends: Vec<u8>,
    /// Whether clocks disagree.
    pub(super) skewed: bool,
    pub(super) violation: Option<String>,
    pub(super) trace: Option<Vec<String>>,
}

pub(super) const fn tenant_of(session: usize) -> usize {
    session / 2
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// When every simulation begins.
pub(super) const BEGINNING: i64 = 1_800_000_000;

impl World {
    pub(super) fn of(suite: &'static Suite, traced: bool) -> Self {
        Self {
            suite,
            now: BEGINNING,
            step: 0,
            sessions: vec![Vec::new(); suite.sessions],
            positions: vec![[Position::default(); AGENTS]; suite.sessions],
            holds: Vec::new(),
            records: Vec::new(),
            hot: Hot::of(suite.sessions),
            queues: Default::default(),
            pending: Vec::new(),
            provider: suite.provider,
            workers: (0..suite.workers).map(|_| Worker::default()).collect(),
            messages: 0,
            holders: 0,
            failed_sends: Vec::new(),
            skewed: false,
            violation: None,
            trace: traced.then(Vec::new),
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        let Some(mut trace) = self.trace.take() else { return };
        trace.push(format!("{:4} {:+6} {}", self.step, self.now - BEGINNING, line(self)));
        self.trace = Some(trace);
    }

    /// What must hold. The first thing that does not is what the simulation ends with.
    pub(super) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            let violation = otherwise();
            self.note(|_| format!("VIOLATION: {violation}"));
            self.violation = Some(violation);
        }
    }

    pub(super) fn head(&self, session: usize) -> i64 {
        self.sessions[session].len() as i64
    }

    pub(super) fn is_held(&self, session: usize, agent: usize) -> bool {
        self.holds
            .iter()
            .any(|hold| hold.is_on(session, agent) && hold.until.is_none_or(|until| until > self.now))
    }

    pub(super) fn is_behind(&self, session: usize, agent: usize) -> bool {
        self.positions[session][agent].cursor < self.head(session)
    }

    /// Every (session, agent).
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let sessions = self.sessions.len();
        (0..sessions).flat_map(|session| (0..AGENTS).map(move |agent| (session, agent)))
    }

    pub(super) fn send(&mut self, agent: usize, session: usize, says: Says, deferrals: u32, delay: i64) {
        let id = self.messages;
        self.messages += 1;
        self.failed_sends.push(0);
        let message = Message {
            id,
            session,
            says,
            deferrals,
            receives: 0,
            visible_at: self.now + delay,
            sent_at: self.now,
        };
        self.note(|_| format!("      sent to {agent}: {message:?}"));
        self.queues[agent].messages.push(message);
    }

    pub(super) fn wake(&mut self, agent: usize, session: usize) {
        let version = self.head(session);
        self.send(agent, session, Says::Version(version), 0, 0);
    }

    /// Reads a window as the store does, and the generation.
    pub(super) fn claim(&self, agent: usize, session: usize, says: Says) -> Option<(Seen, i64)> {
        let position = self.positions[session][agent];
        let (after, through, head) = match says {
            Says::Version(_) => {
                let head = self.head(session);
                (position.cursor, head.min(position.cursor + WINDOW), head)
            }
            Says::Redrive(run) => {
                let record = self.records[run];
                if !record.recorded || record.closed {
                    return None;
                }
                (record.after, record.through, record.through)
            }
        };
        let events = &self.sessions[session][after as usize..through as usize];
        let accepted = |event: Option<&Event>| at(event.map_or(self.now, |event| event.accepted));
        let seen = Seen {
            after,
            through,
            head,
            accepted: (accepted(events.first()), accepted(events.last())),
            awaited: (agent == WAITING).then(|| self.positions[session][PLAIN].cursor),
            held: self.is_held(session, agent),
            concurrency: self.suite.concurrency,
        };
        Some((seen, position.generation))
    }

    /// Moves the cursor when it and its generation are still as claimed, and asks for no gap and no overlap.
    pub(super) fn advance(
        &mut self,
        session: usize,
        agent: usize,
        after: i64,
        through: i64,
        generation: i64,
    ) -> bool {
        let position = &mut self.positions[session][agent];
        if position.cursor != after || position.generation != generation {
            return false;
        }
        position.cursor = through;
        self.cover(session, agent, after, through);
        true
    }

    /// The first event of a window that is not fine for an agent.
    pub(super) fn poison(&self, session: usize, agent: usize, after: i64, through: i64) -> Option<Kind> {
        self.sessions[session][after as usize..through as usize]
            .iter()
            .filter(|event| event.to == agent || event.to == AGENTS)
            .map(|event| event.kind)
            .find(|kind| *kind != Kind::Fine)
    }

    pub(super) fn cover(&mut self, session: usize, agent: usize, after: i64, through: i64) {
        let (covered, head) = (self.positions[session][agent].covered, self.head(session));
        self.must(covered == after && after < through && through <= head, || {
            format!("agent {agent}, session {session}: ({after}, {through}] does not follow {covered}")
        });
        self.positions[session][agent].covered = through;
    }

    /// Closes an open quarantined run, once.
    pub(super) fn close(&mut self, run: usize) -> bool {
        let record = &mut self.records[run];
        let is_open = record.recorded && !record.closed;
        if is_open {
            record.closed = true;
            record.redriven += 1;
        }
        let redriven = record.redriven;
        self.must(redriven <= 1, || format!("run {run} was redriven {redriven} times"));
        is_open
    }

    /// Moves a cursor back, counts the generation on, and closes what will be thought about again.
    pub(super) fn send_back(&mut self, session: usize, agent: usize, cursor: i64) {
        let position = &mut self.positions[session][agent];
        position.cursor = cursor;
        position.covered = cursor;
        position.generation += 1;
        for record in &mut self.records {
            if record.session == session && record.agent == agent && record.after >= cursor && record.recorded
            {
                record.closed = true;
            }
        }
    }

    /// Whether somebody will yet come for `version`, without the sweep.
    pub(super) fn will_be_woken(
        &self,
        session: usize,
        agent: usize,
        version: i64,
        besides: Option<usize>,
    ) -> bool {
        let reaches = |says| matches!(says, Says::Version(it) if it >= version);
        self.positions[session][agent].cursor >= version
            || self.is_held(session, agent)
            || self.pending.iter().any(|pending| {
                pending.session == session && pending.agent == agent && pending.version >= version
            })
            || self.queues[agent].messages.iter().any(|message| {
                Some(message.id) != besides && message.session == session && reaches(message.says)
            })
    }
}
