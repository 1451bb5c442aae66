use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Memory, MemoryId, MemoryType, OnConflict, Scope, Thought, Window, memory_id};

/// The longest content a memory may have, in bytes.
const LONGEST_CONTENT_BYTES: usize = 8 * 1024;
/// The longest key a memory may have, in bytes.
const LONGEST_KEY_BYTES: usize = 512;

/// What became of a thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It became a memory.
    Stored,
    /// It was added to a memory that was there.
    Merged,
    /// It became a memory and closed an older one.
    Superseded,
    /// It was not kept; the reason says why.
    Dropped,
}

impl Outcome {
    /// The name stored in `ledger.outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Merged => "merged",
            Self::Superseded => "superseded",
            Self::Dropped => "dropped",
        }
    }
}

/// Why a thought was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// It named no event.
    NoEvidence,
    /// None of the events it named is in the window.
    EvidenceOutsideWindow,
    /// It said nothing.
    EmptyContent,
    /// It said more than 8 KiB.
    ContentTooLong,
    /// Its key is empty or longer than 512 bytes.
    InvalidKey,
    /// Its confidence is not a number from 0 to 1.
    InvalidConfidence,
    /// Its data is not an object.
    InvalidData,
}

impl Dropped {
    /// The name stored in `ledger.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoEvidence => "no_evidence",
            Self::EvidenceOutsideWindow => "evidence_outside_window",
            Self::EmptyContent => "empty_content",
            Self::ContentTooLong => "content_too_long",
            Self::InvalidKey => "invalid_key",
            Self::InvalidConfidence => "invalid_confidence",
            Self::InvalidData => "invalid_data",
        }
    }
}

/// One line of the ledger: what became of one thought.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerEntry {
    /// What became of it.
    pub outcome: Outcome,
    /// What it was about.
    pub kind: MemoryType,
    /// The memory it became or was added to.
    pub memory: Option<MemoryId>,
    /// Why it was dropped.
    pub reason: Option<Dropped>,
    /// The events of the window it came from.
    pub evidence: Vec<i64>,
}

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
}

/// What a window's thoughts come to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Reconciled {
    /// Rows to write, one per memory.
    pub changes: Vec<Change>,
    /// One entry per thought, in the thoughts' order.
    pub ledger: Vec<LedgerEntry>,
}

type Identity = (Scope, MemoryType, String);

/// Decides what becomes of each thought of a window, given the memories `known` under the same keys.
///
/// Merging is commutative and associative, so memories shared by sessions that are thought about side by side come
/// out the same in any order: the content and every scalar of the more confident account win (the smaller text when
/// equally confident), arrays become sorted sets, `valid_from` is the earliest.
pub fn reconcile(agent: &str, window: &Window, known: &[Memory], thoughts: Vec<Thought>) -> Reconciled {
    let known: BTreeMap<Identity, &Memory> =
        known.iter().map(|memory| ((memory.scope, memory.kind, memory.key.clone()), memory)).collect();
    let mut changed: BTreeMap<Identity, Change> = BTreeMap::new();
    let mut ledger = Vec::with_capacity(thoughts.len());

    for thought in thoughts {
        let evidence = match admit(window, &thought) {
            Ok(evidence) => evidence,
            Err(reason) => {
                ledger.push(LedgerEntry {
                    outcome: Outcome::Dropped,
                    kind: thought.kind,
                    memory: None,
                    reason: Some(reason),
                    evidence: Vec::new(),
                });
                continue;
            }
        };
        let identity = (thought.scope, thought.kind, thought.key.clone());
        let outcome = match (changed.get_mut(&identity), known.get(&identity)) {
            (Some(change), _) => {
                fold(change, fresh(agent, window, &thought, &evidence), thought.on_conflict);
                add_evidence(&mut change.evidence, &evidence);
                Outcome::Merged
            }
            (None, Some(old)) => {
                let (change, outcome) =
                    meet(old, fresh(agent, window, &thought, &evidence), &thought, &evidence);
                changed.insert(identity.clone(), change);
                outcome
            }
            (None, None) => {
                let change = Change {
                    memory: fresh(agent, window, &thought, &evidence),
                    evidence: evidence.clone(),
                    updates: false,
                    supersedes: None,
                    inherits_evidence: false,
                };
                changed.insert(identity.clone(), change);
                Outcome::Stored
            }
        };
        ledger.push(LedgerEntry {
            outcome,
            kind: thought.kind,
            memory: changed.get(&identity).map(|change| change.memory.id),
            reason: None,
            evidence,
        });
    }
    Reconciled { changes: changed.into_values().collect(), ledger }
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
fn meet(old: &Memory, new: Memory, thought: &Thought, evidence: &[i64]) -> (Change, Outcome) {
    let says_the_same = old.content == new.content && old.data == new.data;
    if thought.on_conflict == OnConflict::Merge || says_the_same {
        let change = Change {
            memory: merged(old.clone(), new),
            evidence: evidence.to_vec(),
            updates: true,
            supersedes: None,
            inherits_evidence: false,
        };
        return (change, Outcome::Merged);
    }
    // The same window thought about again, after its cursor was moved back, makes the same identifier.
    let is_same_row = old.id == new.id;
    let change = Change {
        memory: Memory { valid_from: new.valid_from.max(old.valid_from), ..new },
        evidence: evidence.to_vec(),
        updates: is_same_row,
        supersedes: (!is_same_row).then_some(old.id),
        inherits_evidence: !is_same_row && thought.on_conflict == OnConflict::Continue,
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

/// One memory out of two accounts of the same thing; keeps the identity of the first.
fn merged(first: Memory, second: Memory) -> Memory {
    let first_wins = first
        .confidence
        .total_cmp(&second.confidence)
        .reverse()
        .then_with(|| first.content.cmp(&second.content))
        .then_with(|| first.data.to_string().cmp(&second.data.to_string()))
        .is_le();
    let (data, content) = if first_wins {
        (merged_data(first.data, second.data), first.content)
    } else {
        (merged_data(second.data, first.data), second.content)
    };
    Memory {
        content,
        data,
        confidence: first.confidence.max(second.confidence),
        valid_from: first.valid_from.min(second.valid_from),
        ..first
    }
}

fn merged_data(winner: Value, loser: Value) -> Value {
    if winner == loser {
        return winner;
    }
    match (winner, loser) {
        (Value::Object(winner), Value::Object(mut loser)) => {
            let mut both = Map::new();
            for (key, value) in winner {
                let value = match loser.remove(&key) {
                    Some(other) => merged_data(value, other),
                    None => value,
                };
                both.insert(key, value);
            }
            both.extend(loser);
            Value::Object(both)
        }
        (Value::Array(winner), Value::Array(loser)) => {
            let set: BTreeMap<String, Value> =
                winner.into_iter().chain(loser).map(|item| (item.to_string(), item)).collect();
            Value::Array(set.into_values().collect())
        }
        (Value::Null, other) => other,
        (winner, _) => winner,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
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

    #[test]
    fn a_thought_without_evidence_in_the_window_is_dropped_with_its_reason() {
        let thoughts = vec![
            thought("a", "A", &[], OnConflict::Merge),
            thought("b", "B", &[99], OnConflict::Merge),
            thought("c", "C", &[99, 2, 2], OnConflict::Merge),
            thought("d", " ", &[1], OnConflict::Merge),
            Thought { confidence: f32::NAN, ..thought("e", "E", &[1], OnConflict::Merge) },
        ];
        let reconciled = reconcile("test", &window(0, 3), &[], thoughts);
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
        let first =
            reconcile("test", &window(0, 3), &[], vec![thought("s", "one", &[3], OnConflict::Continue)]);
        let old = first.changes[0].memory.clone();
        let second = reconcile(
            "test",
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
        let first =
            reconcile("test", &window(0, 3), &[], vec![thought("s", "one", &[3], OnConflict::Supersede)]);
        let old = first.changes[0].memory.clone();
        let again = reconcile(
            "test",
            &window(3, 5),
            std::slice::from_ref(&old),
            vec![thought("s", "one", &[5], OnConflict::Supersede)],
        );
        assert!(again.changes[0].updates);
        assert_eq!(again.changes[0].memory.id, old.id);
        assert_eq!(again.ledger[0].outcome, Outcome::Merged);
    }

    fn account() -> impl Strategy<Value = (String, f32, Vec<String>, i64)> {
        (
            "[a-c]{1,2}",
            prop_oneof![Just(0.25_f32), Just(0.5), Just(1.0)],
            prop::collection::vec("[a-d]", 0..4),
            0_i64..9,
        )
    }

    proptest! {
        #[test]
        fn merging_is_the_same_in_every_order(accounts in prop::collection::vec(account(), 1..5), rotate in 0_usize..5) {
            let memories: Vec<Memory> = accounts
                .iter()
                .map(|(content, confidence, aliases, second)| Memory {
                    id: MemoryId(Uuid::nil()),
                    kind: MemoryType::Entity,
                    scope: Scope::User,
                    key: "k".into(),
                    content: content.clone(),
                    data: merged_data(json!({"aliases": aliases}), json!({"aliases": []})),
                    confidence: *confidence,
                    valid_from: Timestamp::from_second(*second).unwrap(),
                })
                .collect();
            let mut other = memories.clone();
            other.rotate_left(rotate % memories.len());
            other.reverse();
            let one = memories.into_iter().reduce(merged).unwrap();
            let two = other.into_iter().reduce(merged).unwrap();
            prop_assert_eq!(one, two);
        }
    }
}
