//! What has been decided so far, and what it comes to: every closing, doubt and verdict passes through here.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use domain::{ClosedBecause, Closing, MemoryId};
use jiff::{SignedDuration, Timestamp};
use store::UserMemory;

use super::inheritance::taken_over;
use super::{Curation, Undecided, Verdict, Verdicts, last_said};
use crate::statement::{Statement, Topic};

/// How many memories of a user are closed in one run at most; what is left is closed in the next.
const MOST_CLOSINGS: usize = 200;

/// How many pairs a model is asked about at most, those that are most alike.
pub(crate) const MOST_UNDECIDED: usize = 32;

/// A pair is left undecided only while one of the two is new, however often it is said again: what a model has called
/// different is not asked about every week. Two weeks, for a tick that is late.
const NEW_DAYS: i64 = 14;

/// Why a memory is closed, what took its place, and since when it does not hold.
#[derive(Debug, Clone, Copy)]
struct Closed {
    reason: ClosedBecause,
    by: Option<MemoryId>,
    at: Timestamp,
}

/// What has been decided so far.
pub(super) struct Plan {
    now: Timestamp,
    /// What has faded, and what it is worth.
    pub(super) faded: BTreeMap<MemoryId, u32>,
    closed: BTreeMap<MemoryId, Closed>,
    doubtful: Vec<(Reverse<usize>, Undecided)>,
}

impl Plan {
    /// Nothing has been decided yet.
    pub(super) const fn new(now: Timestamp, faded: BTreeMap<MemoryId, u32>) -> Self {
        Self { now, faded, closed: BTreeMap::new(), doubtful: Vec::new() }
    }

    pub(super) fn is_open(&self, memory: &UserMemory) -> bool {
        !self.closed.contains_key(&memory.memory.id)
    }

    fn close(&mut self, memory: &UserMemory, reason: ClosedBecause, by: Option<MemoryId>, at: Timestamp) {
        if memory.pinned || !self.is_open(memory) || self.closed.len() >= MOST_CLOSINGS {
            return;
        }
        self.closed.insert(memory.memory.id, Closed { reason, by, at: at.max(memory.memory.valid_from) });
    }

    /// Closes statements that a newer one about the same proves wrong.
    pub(super) fn close_contradicted(&mut self, block: &[&UserMemory]) {
        let mut topics: BTreeMap<Topic, Vec<(&UserMemory, Statement)>> = BTreeMap::new();
        for memory in block {
            let Some(statement) = Statement::of(&memory.memory) else { continue };
            topics.entry(statement.topic().clone()).or_default().push((memory, statement));
        }
        for mut statements in topics.into_values() {
            // The newest first: what it takes back takes back nothing.
            statements.sort_by_key(|(memory, _)| Reverse((last_said(memory), memory.memory.id.0)));
            let mut standing: Vec<(&UserMemory, Statement)> = Vec::new();
            for (memory, statement) in statements {
                let against = standing.iter().find(|(_, other)| other.contradicts(&statement));
                let Some((newer, _)) = against else {
                    standing.push((memory, statement));
                    continue;
                };
                if last_said(newer) > last_said(memory) {
                    let at = since_when(newer, last_said(memory));
                    self.close(memory, ClosedBecause::Contradicted, Some(newer.memory.id), at);
                }
                if self.is_open(memory) {
                    standing.push((memory, statement));
                }
            }
        }
    }

    /// Leaves a pair undecided, when one of the two is new and there is anything that could be decided.
    pub(super) fn doubt(
        &mut self,
        one: &UserMemory,
        other: &UserMemory,
        likeness: usize,
        may_repeat: bool,
        may_contradict: bool,
    ) {
        let (older, newer) = if age(one) <= age(other) { (one, other) } else { (other, one) };
        let is_new = |memory: &UserMemory| {
            self.now.duration_since(memory.created_at) <= SignedDuration::from_hours(24 * NEW_DAYS)
        };
        let pair = Undecided {
            older: older.memory.id,
            newer: newer.memory.id,
            may_repeat: may_repeat && !(older.pinned && newer.pinned),
            may_contradict: may_contradict && !older.pinned && last_said(older) < last_said(newer),
        };
        if (pair.may_repeat || pair.may_contradict) && (is_new(older) || is_new(newer)) {
            self.doubtful.push((Reverse(likeness), pair));
        }
    }

    /// Closes all of a group but the one that is pinned, or not stale, has more evidence, is surer, or is older. A group
    /// of which nothing lasts is left to fade.
    pub(super) fn join(&mut self, mut group: Vec<&UserMemory>) {
        group.retain(|memory| self.is_open(memory));
        group.sort_by_key(|memory| self.rank(memory));
        let Some((stays, others)) = group.split_first() else { return };
        if self.faded.contains_key(&stays.memory.id) {
            return;
        }
        for other in others {
            self.close(other, ClosedBecause::Duplicate, Some(stays.memory.id), self.now);
        }
    }

    fn rank(&self, memory: &UserMemory) -> impl Ord + use<> {
        let confidence = Reverse(memory.memory.confidence.to_bits());
        (
            Reverse(memory.pinned),
            self.faded.contains_key(&memory.memory.id),
            Reverse(memory.evidence.len()),
            confidence,
            memory.created_at,
            memory.memory.id.0,
        )
    }

    /// Closes what has faded and is in nobody's place, what is worth least first.
    pub(super) fn close_faded(&mut self) {
        let mut worth: Vec<(u32, MemoryId)> =
            self.faded.iter().map(|(memory, worth)| (*worth, *memory)).collect();
        worth.sort_by_key(|(worth, memory)| (*worth, memory.0));
        worth.retain(|(_, memory)| !self.closed.contains_key(memory));
        worth.truncate(MOST_CLOSINGS.saturating_sub(self.closed.len()));
        let closed = Closed { reason: ClosedBecause::Faded, by: None, at: self.now };
        self.closed.extend(worth.into_iter().map(|(_, memory)| (memory, closed)));
    }

    /// Follows the verdicts on what is left undecided, where the pair allows them.
    pub(super) fn heed(&mut self, memories: &BTreeMap<MemoryId, &UserMemory>, verdicts: &Verdicts) {
        self.doubtful.sort();
        self.doubtful.dedup();
        for (_, pair) in self.doubtful.clone() {
            let [Some(older), Some(newer)] = [pair.older, pair.newer].map(|id| memories.get(&id)) else {
                continue;
            };
            if !self.is_open(older) || !self.is_open(newer) {
                continue;
            }
            match verdicts.get(&(pair.older, pair.newer)) {
                Some(Verdict::Duplicate) if pair.may_repeat => self.join(vec![older, newer]),
                Some(Verdict::Contradiction) if pair.may_contradict => {
                    let at = since_when(newer, last_said(older));
                    self.close(older, ClosedBecause::Contradicted, Some(pair.newer), at);
                }
                _ => {}
            }
        }
        let is_left = |pair: &Undecided| {
            let both = [pair.older, pair.newer];
            !verdicts.contains_key(&(pair.older, pair.newer))
                && both.iter().all(|memory| !self.closed.contains_key(memory))
        };
        self.doubtful.retain(|(_, pair)| is_left(pair));
    }

    /// What a closed memory comes to when what took its place was closed in turn: the memory that holds, and whether all
    /// on the way say the same.
    fn settled(&self, closed: Closed) -> Closed {
        let mut settled = closed;
        while let Some(next) = settled.by.and_then(|by| self.closed.get(&by)) {
            if settled.reason == ClosedBecause::Duplicate && next.reason == ClosedBecause::Contradicted {
                (settled.reason, settled.at) = (next.reason, next.at);
            }
            settled.by = next.by;
        }
        settled
    }

    pub(super) fn carry_out(self, memories: &BTreeMap<MemoryId, &UserMemory>) -> Curation {
        let mut curation = Curation::default();
        let mut repeats: BTreeMap<MemoryId, Vec<&UserMemory>> = BTreeMap::new();
        for (id, closed) in &self.closed {
            let Some(memory) = memories.get(id) else { continue };
            let Closed { reason, by, at } = self.settled(*closed);
            if let Some(by) = by.filter(|_| reason == ClosedBecause::Duplicate) {
                repeats.entry(by).or_default().push(memory);
            }
            curation.closings.push(Closing {
                memory: *id,
                kind: memory.memory.kind,
                version: memory.version,
                reason,
                by,
                at: at.max(memory.memory.valid_from),
            });
        }
        for (stays, repeats) in repeats {
            if let Some(stays) = memories.get(&stays) {
                curation.thoughts.extend(taken_over(stays, &repeats));
            }
        }
        let undecided = self.doubtful.into_iter().map(|(_, pair)| pair);
        curation.undecided = undecided.take(MOST_UNDECIDED).collect();
        curation
    }
}

/// Since when a memory holds that was last said after another: when it was first said after that.
fn since_when(memory: &UserMemory, after: Timestamp) -> Timestamp {
    let later = memory.evidence.iter().map(|(_, at)| *at).filter(|at| *at > after).min();
    later.unwrap_or_else(|| last_said(memory))
}

/// Memories in the order in which they were last said.
fn age(memory: &UserMemory) -> (Timestamp, Timestamp, MemoryId) {
    (last_said(memory), memory.created_at, memory.memory.id)
}
