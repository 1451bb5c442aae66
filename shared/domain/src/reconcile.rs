use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use crate::merge::{is_same_wording, is_within, merged};
use crate::review::Refused;
use crate::{
    Dropped, LedgerEntry, Memory, MemoryId, MemoryType, OnConflict, Outcome, Pending, Refusal, Review,
    ReviewPolicy, ReviewReason, Scope, Thought, Window, memory_id, needs_review,
};

/// The longest content a memory may have, in bytes.
pub(crate) const LONGEST_CONTENT_BYTES: usize = 8 * 1024;
/// The longest key a memory may have, in bytes.
const LONGEST_KEY_BYTES: usize = 512;

/// A row to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The memory as it is to be; its identifier is new unless `updates` is true.
    pub memory: Memory,
    /// Events of the window to add as evidence.
    pub evidence: Vec<i64>,
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
    fn of_new(memory: Memory, evidence: &[i64]) -> Self {
        Self {
            memory,
            evidence: evidence.to_vec(),
            updates: false,
            supersedes: None,
            inherits_evidence: false,
            review: None,
        }
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
}

impl From<&[Memory]> for Known {
    fn from(current: &[Memory]) -> Self {
        Self { current: current.to_vec(), ..Self::default() }
    }
}

type Identity = (Scope, MemoryType, String);

/// Decides what becomes of each thought of a window, given what is `known` under the same keys and which thoughts the
/// tenant wants reviewed.
///
/// Merging is commutative and associative, so memories shared by sessions that are thought about side by side come
/// out the same in any order: the content and every scalar of the more confident account win (the smaller text when
/// equally confident), arrays become sorted sets, `valid_from` is the earliest.
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
    let mut draft = Draft::over(known);
    let mut ledger = Vec::with_capacity(thoughts.len());
    for thought in thoughts {
        let kind = thought.kind;
        let (evidence, taken) = match admit(window, &thought) {
            Ok(evidence) => {
                let needs = needs_review(policy, agent, &thought);
                let new = fresh(agent, window, &thought, &evidence);
                let taken = draft.take(&thought, new, needs, &evidence);
                (evidence, taken)
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

/// The rows that a window's thoughts come to, while they are taken one by one.
struct Draft<'a> {
    current: BTreeMap<Identity, &'a Memory>,
    pending: BTreeMap<Identity, &'a Pending>,
    refusals: BTreeMap<Identity, Vec<&'a Refusal>>,
    changed: BTreeMap<Identity, Change>,
    proposed: BTreeMap<Identity, Change>,
}

impl<'a> Draft<'a> {
    fn over(known: &'a Known) -> Self {
        let mut refusals: BTreeMap<Identity, Vec<&Refusal>> = BTreeMap::new();
        for refusal in &known.refusals {
            refusals.entry((refusal.scope, refusal.kind, refusal.key.clone())).or_default().push(refusal);
        }
        Self {
            current: known.current.iter().map(|memory| (identity(memory), memory)).collect(),
            pending: known.pending.iter().map(|pending| (identity(&pending.memory), pending)).collect(),
            refusals,
            changed: BTreeMap::new(),
            proposed: BTreeMap::new(),
        }
    }

    fn into_changes(self) -> Vec<Change> {
        self.changed.into_values().chain(self.proposed.into_values()).collect()
    }

    /// What becomes of a thought that makes `new`, and the memory it became or was added to.
    fn take(
        &mut self,
        thought: &Thought,
        mut new: Memory,
        needs: Option<ReviewReason>,
        evidence: &[i64],
    ) -> Result<(Outcome, MemoryId), Dropped> {
        let on_conflict = thought.on_conflict;
        let identity = identity(&new);
        let current = self.changed.get(&identity).map(|change| &change.memory);
        let current = current.or_else(|| self.current.get(&identity).copied());
        let refused = self
            .refusals
            .get(&identity)
            .and_then(|refusals| refusals.iter().find_map(|refusal| refusal.on(thought, current)));
        if (refused.is_some() || needs.is_some())
            && let Some(current) = current
            && adds_nothing(current, &new, on_conflict)
        {
            // Not even its capitals are taken over.
            new.content.clone_from(&current.content);
            return Ok(self.settle(identity, new, on_conflict, evidence));
        }
        match (refused, current) {
            (Some(Refused::SaidAgain), Some(current)) => {
                // The current memory as it is: merging it with itself adds nothing but the evidence.
                let same = current.clone();
                return Ok(self.settle(identity, same, OnConflict::Merge, evidence));
            }
            (Some(Refused::Reworded), Some(current)) => new.content.clone_from(&current.content),
            (Some(_), _) => return Err(Dropped::RejectedBefore),
            (None, _) => {}
        }
        Ok(match needs {
            Some(reason) => self.propose(identity, new, Review { reason, on_conflict }, evidence),
            None => self.settle(identity, new, on_conflict, evidence),
        })
    }

    /// Takes a thought in among what holds.
    fn settle(
        &mut self,
        identity: Identity,
        new: Memory,
        on_conflict: OnConflict,
        evidence: &[i64],
    ) -> (Outcome, MemoryId) {
        if let Some(change) = self.changed.get_mut(&identity) {
            fold(change, new, on_conflict);
            add_evidence(&mut change.evidence, evidence);
            return (Outcome::Merged, change.memory.id);
        }
        let (change, outcome) = match self.current.get(&identity) {
            Some(old) => meet(old, new, on_conflict, evidence),
            None => (Change::of_new(new, evidence), Outcome::Stored),
        };
        let id = change.memory.id;
        self.changed.insert(identity, change);
        (outcome, id)
    }

    /// Takes a thought in among what waits for a person.
    fn propose(
        &mut self,
        identity: Identity,
        new: Memory,
        review: Review,
        evidence: &[i64],
    ) -> (Outcome, MemoryId) {
        let before = self.proposed.remove(&identity).or_else(|| {
            let Pending { memory, review } = (*self.pending.get(&identity)?).clone();
            Some(Change { updates: true, review: Some(review), ..Change::of_new(memory, &[]) })
        });
        let mut change = if let Some(Change { memory, review: Some(old), evidence, updates, .. }) = before {
            let Pending { memory, review } = Pending { memory, review: old }.joined(new, review);
            Change { updates, review: Some(review), ..Change::of_new(memory, &evidence) }
        } else {
            let memory = Memory { id: proposal_id(new.id), ..new };
            Change { review: Some(review), ..Change::of_new(memory, &[]) }
        };
        add_evidence(&mut change.evidence, evidence);
        let id = change.memory.id;
        self.proposed.insert(identity, change);
        (Outcome::Pending, id)
    }
}

fn identity(memory: &Memory) -> Identity {
    (memory.scope, memory.kind, memory.key.clone())
}

/// Whether a thought would leave what the current memory says as it is.
fn adds_nothing(current: &Memory, new: &Memory, on_conflict: OnConflict) -> bool {
    match on_conflict {
        OnConflict::Merge => {
            let both = merged(current.clone(), new.clone());
            is_same_wording(&both.content, &current.content) && is_within(&both.data, &current.data)
        }
        OnConflict::Supersede | OnConflict::Continue => {
            is_same_wording(&current.content, &new.content) && current.data == new.data
        }
    }
}

/// The identifier of the memory that waits for a person, beside the one it would have at once.
fn proposal_id(id: MemoryId) -> MemoryId {
    MemoryId(Uuid::new_v5(&id.0, b"proposal"))
}

/// The evidence that holds, sorted and without repeats, or why the thought is not admitted.
fn admit(window: &Window, thought: &Thought) -> Result<Vec<i64>, Dropped> {
    if thought.content.trim().is_empty() {
        return Err(Dropped::EmptyContent);
    }
    if thought.content.len() > LONGEST_CONTENT_BYTES {
        return Err(Dropped::ContentTooLong);
    }
    if thought.key.is_empty() || thought.key.len() > LONGEST_KEY_BYTES {
        return Err(Dropped::InvalidKey);
    }
    if !(0.0..=1.0).contains(&thought.confidence) {
        return Err(Dropped::InvalidConfidence);
    }
    if !thought.data.is_object() {
        return Err(Dropped::InvalidData);
    }
    if thought.evidence.is_empty() {
        return Err(Dropped::NoEvidence);
    }
    let held: BTreeSet<i64> =
        thought.evidence.iter().copied().filter(|version| window.event(*version).is_some()).collect();
    if held.is_empty() { Err(Dropped::EvidenceOutsideWindow) } else { Ok(held.into_iter().collect()) }
}

/// The memory a thought makes where there was none: valid since the first event it came from, or, for an account
/// that replaces an older one, since the last.
fn fresh(agent: &str, window: &Window, thought: &Thought, evidence: &[i64]) -> Memory {
    let times = evidence.iter().filter_map(|version| window.event(*version)).map(|event| event.occurred_at);
    let valid_from = match thought.on_conflict {
        OnConflict::Merge => times.min(),
        OnConflict::Supersede | OnConflict::Continue => times.max(),
    };
    Memory {
        id: memory_id(
            &window.tenant,
            window.session,
            agent,
            thought.kind,
            &thought.key,
            window.through(),
            window.generation,
        ),
        kind: thought.kind,
        scope: thought.scope,
        key: thought.key.clone(),
        content: thought.content.clone(),
        data: thought.data.clone(),
        confidence: thought.confidence,
        valid_from: valid_from.expect("admitted evidence lies in the window"),
    }
}

/// What a thought does to a memory that was there before the window.
fn meet(old: &Memory, new: Memory, on_conflict: OnConflict, evidence: &[i64]) -> (Change, Outcome) {
    let says_the_same = old.content == new.content && old.data == new.data;
    if on_conflict == OnConflict::Merge || says_the_same {
        let change = Change { updates: true, ..Change::of_new(merged(old.clone(), new), evidence) };
        return (change, Outcome::Merged);
    }
    // The same window thought about again, after its cursor was moved back, makes the same identifier.
    let is_same_row = old.id == new.id;
    let memory = Memory { valid_from: new.valid_from.max(old.valid_from), ..new };
    let change = Change {
        updates: is_same_row,
        supersedes: (!is_same_row).then_some(old.id),
        inherits_evidence: !is_same_row && on_conflict == OnConflict::Continue,
        ..Change::of_new(memory, evidence)
    };
    (change, Outcome::Superseded)
}

/// A second thought of the same window about the same thing.
fn fold(change: &mut Change, new: Memory, on_conflict: OnConflict) {
    let id = change.memory.id;
    change.memory = match on_conflict {
        OnConflict::Merge => merged(change.memory.clone(), new),
        OnConflict::Supersede | OnConflict::Continue => Memory { id, ..new },
    };
}

fn add_evidence(into: &mut Vec<i64>, more: &[i64]) {
    into.extend_from_slice(more);
    into.sort_unstable();
    into.dedup();
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{Event, EventKind, SessionId, TenantId, UserId};

    fn window(after: i64, through: i64) -> Window {
        let events = (after + 1..=through)
            .map(|version| Event {
                version,
                kind: EventKind::Message,
                role: "user".into(),
                speaker: None,
                content: format!("message {version}"),
                payload: json!({}),
                occurred_at: Timestamp::from_second(version).unwrap(),
                created_at: Timestamp::UNIX_EPOCH,
            })
            .collect();
        Window {
            tenant: TenantId::new("acme").unwrap(),
            user: UserId::new("ada").unwrap(),
            session: SessionId(Uuid::nil()),
            session_name: "chat".into(),
            after,
            generation: 0,
            head: through,
            events,
        }
    }

    fn thought(key: &str, content: &str, evidence: &[i64], on_conflict: OnConflict) -> Thought {
        Thought {
            kind: MemoryType::Entity,
            scope: Scope::User,
            key: key.into(),
            content: content.into(),
            data: json!({"aliases": [content]}),
            confidence: 0.5,
            evidence: evidence.to_vec(),
            on_conflict,
            review: false,
        }
    }

    fn settled(window: &Window, known: &[Memory], thoughts: Vec<Thought>) -> Reconciled {
        reconcile("test", window, &known.into(), &ReviewPolicy::default(), thoughts)
    }

    #[test]
    fn a_thought_without_evidence_in_the_window_is_dropped_with_its_reason() {
        let thoughts = vec![
            thought("a", "A", &[], OnConflict::Merge),
            thought("b", "B", &[99], OnConflict::Merge),
            thought("c", "C", &[99, 2, 2], OnConflict::Merge),
            thought("d", " ", &[1], OnConflict::Merge),
            Thought { confidence: f32::NAN, ..thought("e", "E", &[1], OnConflict::Merge) },
        ];
        let reconciled = settled(&window(0, 3), &[], thoughts);
        let reasons: Vec<_> = reconciled.ledger.iter().map(|entry| entry.reason).collect();
        assert_eq!(
            reasons,
            [
                Some(Dropped::NoEvidence),
                Some(Dropped::EvidenceOutsideWindow),
                None,
                Some(Dropped::EmptyContent),
                Some(Dropped::InvalidConfidence)
            ]
        );
        assert_eq!(reconciled.changes.len(), 1);
        assert_eq!(reconciled.changes[0].evidence, [2]);
    }

    #[test]
    fn a_continued_memory_closes_the_old_one_and_inherits_its_evidence() {
        let first = settled(&window(0, 3), &[], vec![thought("s", "one", &[3], OnConflict::Continue)]);
        let old = first.changes[0].memory.clone();
        let second = settled(
            &window(3, 5),
            std::slice::from_ref(&old),
            vec![thought("s", "two", &[5], OnConflict::Continue)],
        );
        let change = &second.changes[0];
        assert_eq!(change.supersedes, Some(old.id));
        assert!(change.inherits_evidence && !change.updates && change.memory.id != old.id);
        assert_eq!(second.ledger[0].outcome, Outcome::Superseded);
    }

    #[test]
    fn saying_the_same_again_adds_evidence_and_no_row() {
        let first = settled(&window(0, 3), &[], vec![thought("s", "one", &[3], OnConflict::Supersede)]);
        let old = first.changes[0].memory.clone();
        let again = settled(
            &window(3, 5),
            std::slice::from_ref(&old),
            vec![thought("s", "one", &[5], OnConflict::Supersede)],
        );
        assert!(again.changes[0].updates);
        assert_eq!(again.changes[0].memory.id, old.id);
        assert_eq!(again.ledger[0].outcome, Outcome::Merged);
    }
}
