//! The rules: which of a user's memories say the same, which take back another, which have faded.

mod account;
mod inheritance;
mod plan;
mod repeats;

use std::collections::BTreeMap;

use domain::{Closing, Memory, MemoryId, MemoryType, Scope, SessionId, Thought};
use jiff::Timestamp;
use serde::Deserialize;
use store::UserMemory;

use crate::fade::faded;

pub(crate) use self::plan::MOST_UNDECIDED;
use self::plan::Plan;

/// What is to become of a user's memories.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curation {
    /// What the memories that stay take over from those that are closed as repeats: their evidence, all of it
    /// `elsewhere`, and what their data holds besides.
    pub thoughts: Vec<Thought>,
    /// What is closed.
    pub closings: Vec<Closing>,
    /// What the rules cannot decide, the most alike first.
    pub undecided: Vec<Undecided>,
}

/// Two memories that may say the same, or of which the newer may take back the older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Undecided {
    /// The one that was last said earlier.
    pub older: MemoryId,
    /// The one that was last said later, or as late.
    pub newer: MemoryId,
    /// Whether they may be one: never when numbers, names or negations differ.
    pub may_repeat: bool,
    /// Whether the newer may take the place of the older.
    pub may_contradict: bool,
}

/// What somebody else says of two memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They say the same.
    Duplicate,
    /// The newer takes back the older.
    Contradiction,
    /// Both hold.
    Different,
}

/// Verdicts on pairs that were left undecided: the older, the newer, and what they are to each other.
pub type Verdicts = BTreeMap<(MemoryId, MemoryId), Verdict>;

/// Decides what becomes of a user's `memories`: repeats are joined, what is taken back is closed, what has faded is let
/// go. A verdict counts only for a pair that the rules leave undecided, and only where it is one that the pair allows.
///
/// What belongs to one session is joined only for `session`, whose window the thoughts are part of; fading is the same
/// for all. A pinned memory is never closed. The result depends on the set of memories alone, not on their order, and
/// once it has been carried out the rules have nothing left to do; what a verdict has joined may tell them more.
pub fn curate(memories: &[UserMemory], session: SessionId, now: Timestamp, verdicts: &Verdicts) -> Curation {
    let memories: BTreeMap<MemoryId, &UserMemory> =
        memories.iter().map(|memory| (memory.memory.id, memory)).collect();
    let faded = memories.iter().filter_map(|(id, memory)| Some((*id, faded(memory, now)?))).collect();
    let mut plan = Plan::new(now, faded);

    let mut blocks: BTreeMap<(MemoryType, Scope), Vec<&UserMemory>> = BTreeMap::new();
    for memory in memories.values() {
        let Memory { kind, scope, .. } = memory.memory;
        let is_joinable = match scope {
            Scope::User => true,
            Scope::Session => memory.session == Some(session),
            Scope::Global => false,
        };
        if is_joinable && may_repeat(kind) {
            blocks.entry((kind, scope)).or_default().push(memory);
        }
    }
    for block in blocks.values() {
        plan.close_contradicted(block);
    }
    for block in blocks.values() {
        plan.close_repeated(block);
    }
    plan.close_faded();
    plan.heed(&memories, verdicts);
    plan.carry_out(&memories)
}

/// Whether memories of a type may be repeats of each other. Of summaries and tones there is one per session, and the row
/// of them is the record; patterns are kept whole by the pattern-finder, which would find the closed one again.
const fn may_repeat(kind: MemoryType) -> bool {
    !matches!(kind, MemoryType::Summary | MemoryType::Sentiment | MemoryType::Pattern)
}

/// When a memory was last said.
pub(crate) fn last_said(memory: &UserMemory) -> Timestamp {
    memory.evidence.iter().map(|(_, at)| *at).max().unwrap_or(memory.memory.valid_from)
}
