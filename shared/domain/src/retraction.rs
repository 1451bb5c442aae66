//! What was corrected or deleted is not learned again from what it was learned from.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::gate::Admitted;
use crate::merge::{key_digest, wording_digest};
use crate::reconcile::may_be_twin;
use crate::{Evidence, MemoryType, Scope, Thought};

/// A memory that was corrected or deleted. Of what it said there are only digests, so that they may be kept for as long as
/// the events are there, and longer than the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retraction {
    /// Its scope.
    pub scope: Scope,
    /// Its type.
    pub kind: MemoryType,
    /// The digest of its key: [`key_digest`].
    pub key: [u8; 32],
    /// The digest of its words: [`wording_digest`].
    pub wording: [u8; 32],
    /// Whether it held until then: nothing is learned under its key. Of one that was history, its own words are ruled out alone:
    /// what took its place goes on.
    pub held: bool,
    /// When.
    pub at: Timestamp,
}

/// What was retracted under the keys, and in the words, of a window's thoughts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Retractions {
    /// Each memory.
    pub memories: Vec<Retraction>,
    /// When the events that thoughts name outside their window were accepted; one that is missing counts as old.
    pub accepted: BTreeMap<Evidence, Timestamp>,
}

impl Retractions {
    /// Whether a thought says again what was retracted, and comes from nothing but events that had been accepted by then.
    /// Said once more, it may be learned again.
    pub(crate) fn rule_out(&self, thought: &Thought, evidence: &Admitted) -> bool {
        if self.memories.is_empty() {
            return false;
        }
        let elsewhere = evidence.elsewhere.iter().filter_map(|event| self.accepted.get(event)).copied();
        let newest = evidence.accepted_at.into_iter().chain(elsewhere).max();
        let (key, wording) = (key_digest(&thought.key), wording_digest(&thought.content));
        self.memories.iter().any(|retracted| {
            let same_words = retracted.wording == wording;
            let same_key = retracted.key == key && (retracted.held || same_words);
            retracted.scope == thought.scope
                && retracted.kind == thought.kind
                && (same_key || (may_be_twin(thought.kind) && same_words))
                && newest.is_none_or(|newest| newest <= retracted.at)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        Dropped, Event, EventKind, Known, Memory, MemoryId, OnConflict, Outcome, ReviewPolicy, SessionId,
        TenantId, UserId, Window, reconcile,
    };

    /// A window of events that were accepted at the second of their version.
    fn window(through: i64) -> Window {
        let event = |version: i64| Event {
            version,
            kind: EventKind::Message,
            role: "user".into(),
            speaker: None,
            content: "said".into(),
            payload: json!({}),
            occurred_at: Timestamp::from_second(version).unwrap(),
            created_at: Timestamp::from_second(version).unwrap(),
        };
        Window {
            tenant: TenantId::new("acme").unwrap(),
            user: UserId::new("ada").unwrap(),
            session: SessionId(Uuid::nil()),
            session_name: "chat".into(),
            after: 0,
            generation: 1,
            head: through,
            events: (1..=through).map(event).collect(),
        }
    }

    fn home(key: &str, city: &str, evidence: &[i64], on_conflict: OnConflict) -> Thought {
        Thought {
            kind: MemoryType::Fact,
            scope: Scope::User,
            key: key.into(),
            content: format!("Ada lives in {city}."),
            data: json!({"value": city}),
            confidence: 0.9,
            evidence: evidence.to_vec(),
            elsewhere: Vec::new(),
            since: None,
            on_conflict,
            review: false,
        }
    }

    /// Berlin was retracted at second 5, and `holds` took its place if anything did.
    fn known(holds: Option<&str>) -> Known {
        let retraction = Retraction {
            scope: Scope::User,
            kind: MemoryType::Fact,
            key: key_digest("home"),
            wording: wording_digest("Ada lives in Berlin."),
            held: true,
            at: Timestamp::from_second(5).unwrap(),
        };
        let current = holds.map(|city| Memory {
            id: MemoryId(Uuid::from_u128(7)),
            kind: MemoryType::Fact,
            scope: Scope::User,
            key: "home".into(),
            content: format!("Ada lives in {city}."),
            data: json!({"value": city}),
            confidence: 1.0,
            valid_from: Timestamp::from_second(5).unwrap(),
        });
        let retractions = Retractions { memories: vec![retraction], accepted: BTreeMap::new() };
        Known { current: current.into_iter().collect(), retractions, ..Known::default() }
    }

    fn outcome(known: &Known, thought: Thought) -> (Outcome, Option<Dropped>) {
        let reconciled = reconcile("test", &window(9), known, &ReviewPolicy::default(), vec![thought]);
        (reconciled.ledger[0].outcome, reconciled.ledger[0].reason)
    }

    const DROPPED: (Outcome, Option<Dropped>) = (Outcome::Dropped, Some(Dropped::RejectedBefore));

    #[test]
    fn what_was_retracted_is_not_learned_from_what_was_said_before_whatever_the_rule() {
        for on_conflict in
            [OnConflict::Merge, OnConflict::Supersede, OnConflict::Continue, OnConflict::Latest]
        {
            for holds in [None, Some("Potsdam")] {
                let known = known(holds);
                assert_eq!(outcome(&known, home("home", "Berlin", &[2, 5], on_conflict)), DROPPED);
                assert_eq!(outcome(&known, home("home", "Rome", &[3], on_conflict)), DROPPED, "other words");
                assert_eq!(
                    outcome(&known, home("other", "Berlin", &[2], on_conflict)),
                    DROPPED,
                    "another key"
                );
                assert_eq!(outcome(&known, home("other", "Rome", &[2], on_conflict)).0, Outcome::Stored);
            }
        }
    }

    #[test]
    fn what_was_taken_out_of_the_history_rules_out_its_own_words_alone() {
        let mut known = known(Some("Potsdam"));
        known.retractions.memories[0].held = false;
        let thought = |key: &str, city: &str| home(key, city, &[4], OnConflict::Supersede);
        assert_eq!(outcome(&known, thought("home", "Rome")).0, Outcome::Superseded);
        assert_eq!(outcome(&known, thought("home", "Berlin")), DROPPED);
        assert_eq!(outcome(&known, thought("other", "Berlin")), DROPPED);
        let closed = Thought { kind: MemoryType::Action, ..thought("home", "Berlin") };
        known.retractions.memories[0].kind = MemoryType::Action;
        assert_eq!(outcome(&known, closed), DROPPED, "of every type under its own key");
    }

    #[test]
    fn what_is_said_once_more_is_learned_again() {
        let again = home("home", "Berlin", &[2, 6], OnConflict::Latest);
        assert_eq!(outcome(&known(None), again.clone()).0, Outcome::Stored);
        assert_eq!(outcome(&known(Some("Potsdam")), again).0, Outcome::Superseded);
    }

    #[test]
    fn what_was_said_for_the_correction_is_evidence_for_it() {
        let thought = home("home", "Potsdam", &[3], OnConflict::Latest);
        assert_eq!(outcome(&known(Some("Potsdam")), thought).0, Outcome::Merged);
    }

    #[test]
    fn events_elsewhere_count_by_when_they_were_accepted() {
        let event = Evidence { session: SessionId(Uuid::from_u128(3)), version: 1 };
        let thought =
            Thought { elsewhere: vec![event], ..home("home", "Berlin", &[], OnConflict::Supersede) };
        let mut known = known(None);
        assert_eq!(outcome(&known, thought.clone()), DROPPED);
        known.retractions.accepted.insert(event, Timestamp::from_second(5).unwrap());
        assert_eq!(outcome(&known, thought.clone()), DROPPED);
        known.retractions.accepted.insert(event, Timestamp::from_second(6).unwrap());
        assert_eq!(outcome(&known, thought).0, Outcome::Stored);
    }
}
