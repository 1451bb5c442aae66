//! What a window's thoughts come to, given what is known: rows to write, and a line of the ledger for each thought.

mod draft;
mod latest;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use self::draft::Draft;
pub(crate) use self::draft::may_be_twin;
pub use self::latest::Said;
use crate::gate::{Admitted, Gate};
use crate::{
    Evidence, LedgerEntry, Memory, MemoryId, OnConflict, Outcome, Pending, Refusal, Retractions, Review,
    ReviewPolicy, Thought, Window, memory_id, needs_review,
};

/// A row to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The memory as it is to be; its identifier is new unless `updates` is true.
    pub memory: Memory,
    /// Events of the window to add as evidence.
    pub evidence: Vec<i64>,
    /// Events of the user's other sessions to add as evidence.
    pub elsewhere: Vec<Evidence>,
    /// Since when it does not hold any more and what took its place, for a row that is history when it is written.
    pub past: Option<(Timestamp, MemoryId)>,
    /// Whether the row exists and is updated in place.
    pub updates: bool,
    /// The memory that this one closes.
    pub supersedes: Option<MemoryId>,
    /// Whether the closed memory's evidence carries over.
    pub inherits_evidence: bool,
    /// Why the row waits for a person; `None` when it holds at once.
    pub review: Option<Review>,
}

impl Change {
    fn of_new(memory: Memory, evidence: &Admitted) -> Self {
        Self {
            memory,
            evidence: evidence.window.clone(),
            elsewhere: evidence.elsewhere.clone(),
            past: None,
            updates: false,
            supersedes: None,
            inherits_evidence: false,
            review: None,
        }
    }

    fn add_evidence(&mut self, more: &Admitted) {
        self.evidence.extend_from_slice(&more.window);
        self.evidence.sort_unstable();
        self.evidence.dedup();
        self.elsewhere.extend_from_slice(&more.elsewhere);
        self.elsewhere.sort_unstable();
        self.elsewhere.dedup();
    }
}

/// What a window's thoughts come to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Reconciled {
    /// Rows to write, one per memory.
    pub changes: Vec<Change>,
    /// One entry per thought, in the thoughts' order.
    pub ledger: Vec<LedgerEntry>,
}

/// What is stored under the keys of a window's thoughts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// The memories that hold now.
    pub current: Vec<Memory>,
    /// Those that wait for a person.
    pub pending: Vec<Pending>,
    /// What a person did not let pass.
    pub refusals: Vec<Refusal>,
    /// The newest event that each current memory came from.
    pub said: BTreeMap<MemoryId, Said>,
    /// Current memories that say the same as one of the thoughts, in the same words, under another key.
    pub twins: Vec<Memory>,
    /// What was corrected or deleted, and is not to be learned again from what was said before.
    pub retractions: Retractions,
    /// What a thought has to pass.
    pub gate: Gate,
}

impl From<&[Memory]> for Known {
    fn from(current: &[Memory]) -> Self {
        Self { current: current.to_vec(), ..Self::default() }
    }
}

/// Decides what becomes of each thought of a window, given what is `known` under the same keys and which thoughts the
/// tenant wants reviewed.
///
/// Merging is commutative and associative, so memories shared by sessions that are thought about side by side come
/// out the same in any order: the content and every scalar of the more confident account win (the smaller text when
/// equally confident), arrays become sorted sets, `valid_from` is the earliest. Of values that may change
/// ([`OnConflict::Latest`]) the one said last holds, in any order too.
///
/// A thought that says what a current memory of its type says, in the same words under another key, is evidence for that
/// memory.
///
/// A thought that a person is to see becomes, or is added to, a pending memory and touches no current one; only when it
/// says nothing that is not known already is it evidence for the current memory. What a person has refused is dropped,
/// reviewed or not.
pub fn reconcile(
    agent: &str,
    window: &Window,
    known: &Known,
    policy: &ReviewPolicy,
    thoughts: Vec<Thought>,
) -> Reconciled {
    let mut draft = Draft::over(window, known);
    let mut ledger = Vec::with_capacity(thoughts.len());
    for thought in thoughts {
        let kind = thought.kind;
        let (evidence, taken) = match known.gate.admit(window, &thought) {
            Ok(evidence) => {
                let needs = needs_review(policy, agent, &thought);
                let new = fresh(agent, window, &thought, &evidence);
                let taken = draft.take(&thought, new, needs, &evidence);
                (evidence.window, taken)
            }
            Err(reason) => (Vec::new(), Err(reason)),
        };
        let (outcome, memory, reason) = match taken {
            Ok((outcome, memory)) => (outcome, Some(memory), None),
            Err(reason) => (Outcome::Dropped, None, Some(reason)),
        };
        ledger.push(LedgerEntry { outcome, kind, memory, reason, evidence });
    }
    Reconciled { changes: draft.into_changes(), ledger }
}

/// The memory a thought makes where there was none: valid since the first event it came from, or, for an account
/// that replaces an older one, since the last.
///
/// A value that may change is identified by the event it was last said in rather than by the end of its window, because
/// one window may hold several.
fn fresh(agent: &str, window: &Window, thought: &Thought, evidence: &Admitted) -> Memory {
    let through = match thought.on_conflict {
        OnConflict::Latest => evidence.last(),
        OnConflict::Merge | OnConflict::Supersede | OnConflict::Continue => window.through(),
    };
    let valid_from = thought.since.unwrap_or(match thought.on_conflict {
        OnConflict::Merge => evidence.first_said_at,
        OnConflict::Supersede | OnConflict::Continue | OnConflict::Latest => evidence.said_at,
    });
    Memory {
        id: memory_id(
            &window.tenant, window.session, agent, thought.kind, &thought.key, through, window.generation,
        ),
        kind: thought.kind,
        scope: thought.scope,
        key: thought.key.clone(),
        content: thought.content.clone(),
        data: thought.data.clone(),
        confidence: thought.confidence,
        valid_from,
    }
}

#[cfg(test)]
mod tests;
