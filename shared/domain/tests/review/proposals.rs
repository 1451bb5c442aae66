use domain::{
    Dropped, Extent, Known, MemoryType, OnConflict, Outcome, Pending, Refusal, Review, ReviewPolicy,
    ReviewReason, Thought, needs_review, reconcile,
};
use proptest::prelude::*;
use serde_json::json;

use crate::{doubtful, memory, thought, window};

fn decide_one(known: &Known, thought: Thought) -> domain::Reconciled {
    reconcile("test", &window(1, 0, 3), known, &ReviewPolicy::default(), vec![thought])
}

fn pending(content: &str, on_conflict: OnConflict) -> Pending {
    let review = Review { reason: ReviewReason::Agent, on_conflict };
    Pending { memory: memory(7, content, json!({})), review }
}

fn refused(extent: Extent, content: &str) -> Refusal {
    let memory = memory(7, content, json!({"names": ["A", "B"]}));
    Refusal {
        scope: memory.scope,
        kind: memory.kind,
        key: memory.key,
        extent,
        content: memory.content,
        data: memory.data,
        became: None,
    }
}

#[test]
fn a_thought_is_reviewed_when_its_agent_its_confidence_its_type_or_the_policy_says_so() {
    let policy = ReviewPolicy {
        below_confidence: Some(0.5),
        types: vec![MemoryType::Preference],
        agents: vec!["strict".into()],
    };
    let plain = thought("k", "A", json!({}), OnConflict::Merge);
    let unsure = Thought { confidence: 0.49, ..plain.clone() };
    let preference = Thought { kind: MemoryType::Preference, ..plain.clone() };
    assert_eq!(needs_review(&policy, "loose", &plain), None);
    assert_eq!(needs_review(&policy, "loose", &Thought { confidence: 0.5, ..plain.clone() }), None);
    assert_eq!(needs_review(&policy, "loose", &unsure), Some(ReviewReason::LowConfidence));
    assert_eq!(needs_review(&policy, "loose", &preference), Some(ReviewReason::Type));
    assert_eq!(needs_review(&policy, "strict", &plain), Some(ReviewReason::Agent));
    assert_eq!(needs_review(&policy, "strict", &doubtful(unsure)), Some(ReviewReason::AgentAsked));
    assert_eq!(needs_review(&ReviewPolicy::default(), "strict", &preference), None);
}

#[test]
fn a_new_thought_that_needs_review_becomes_a_pending_row_beside_the_current_one() {
    let current = memory(1, "A", json!({}));
    let known = Known { current: vec![current.clone()], ..Known::default() };
    for on_conflict in [OnConflict::Merge, OnConflict::Supersede, OnConflict::Continue] {
        let reconciled = decide_one(&known, doubtful(thought("k", "B", json!({}), on_conflict)));
        let change = &reconciled.changes[0];
        assert_eq!(change.review, Some(Review { reason: ReviewReason::AgentAsked, on_conflict }));
        assert!(change.memory.id != current.id && change.supersedes.is_none() && !change.updates);
        assert_eq!(reconciled.ledger[0].outcome, Outcome::Pending);
        assert_eq!(reconciled.ledger[0].memory, Some(change.memory.id));
    }
}

#[test]
fn a_thought_and_a_proposal_about_the_same_thing_in_one_window_are_two_rows() {
    let thoughts = vec![
        doubtful(thought("k", "A", json!({"names": ["A"]}), OnConflict::Merge)),
        thought("k", "B", json!({"names": ["B"]}), OnConflict::Merge),
        doubtful(thought("k", "C", json!({"names": ["C"]}), OnConflict::Merge)),
        doubtful(thought("k", "B", json!({"names": ["B"]}), OnConflict::Merge)),
    ];
    let reconciled =
        reconcile("test", &window(1, 0, 3), &Known::default(), &ReviewPolicy::default(), thoughts);
    let outcomes: Vec<Outcome> = reconciled.ledger.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Pending, Outcome::Stored, Outcome::Pending, Outcome::Merged]);
    let [settled, proposed] = &reconciled.changes[..] else { panic!("two rows") };
    assert_ne!(settled.memory.id, proposed.memory.id);
    assert_eq!((settled.memory.content.as_str(), settled.review), ("B", None));
    assert_eq!(proposed.memory.data, json!({"names": ["A", "C"]}));
}

#[test]
fn what_says_nothing_new_is_evidence_for_the_current_memory_and_needs_no_review() {
    let current = memory(1, "Lisbon", json!({"names": ["Lisboa", "Lisbon"]}));
    let known = Known {
        current: vec![current.clone()],
        refusals: vec![refused(Extent::Key, "Lisbon")],
        ..Known::default()
    };
    let again = thought("k", "Lisbon", json!({"names": ["Lisbon"]}), OnConflict::Merge);
    let reconciled = decide_one(&known, doubtful(Thought { confidence: 0.4, ..again }));
    let change = &reconciled.changes[0];
    assert_eq!(
        (&change.memory, change.evidence.as_slice()),
        (&domain::Memory { valid_from: change.memory.valid_from, ..current }, [1].as_slice())
    );
    assert_eq!(reconciled.ledger[0].outcome, Outcome::Merged);
}

#[test]
fn proposed_again_while_it_waits_it_is_added_to_what_waits() {
    let known = Known { pending: vec![pending("A", OnConflict::Merge)], ..Known::default() };
    let reconciled =
        decide_one(&known, doubtful(thought("k", "B", json!({"names": ["B"]}), OnConflict::Merge)));
    let change = &reconciled.changes[0];
    assert!(change.updates && change.memory.id == known.pending[0].memory.id);
    assert_eq!((change.memory.content.as_str(), &change.memory.data), ("B", &json!({"names": ["B"]})));
    assert_eq!(change.review.unwrap().reason, ReviewReason::AgentAsked);
    assert_eq!(reconciled.ledger[0].outcome, Outcome::Pending);

    let newer = decide_one(&known, doubtful(thought("k", "C", json!({}), OnConflict::Continue)));
    assert_eq!(newer.changes[0].memory.content, "C");
    assert_eq!(newer.changes[0].review.unwrap().on_conflict, OnConflict::Continue);
}

#[test]
fn what_needs_no_review_does_not_care_what_waits() {
    let known = Known { pending: vec![pending("A", OnConflict::Merge)], ..Known::default() };
    let reconciled = decide_one(&known, thought("k", "B", json!({}), OnConflict::Merge));
    assert_eq!(reconciled.ledger[0].outcome, Outcome::Stored);
    assert_eq!((reconciled.changes.len(), reconciled.changes[0].review), (1, None));
}

#[test]
fn a_rejected_thing_is_dropped_whatever_is_said_of_it_and_whoever_says_it() {
    let known = Known { refusals: vec![refused(Extent::Key, "A")], ..Known::default() };
    for on_conflict in [OnConflict::Merge, OnConflict::Supersede, OnConflict::Continue] {
        let thought = thought("k", "something else", json!({}), on_conflict);
        for thought in [thought.clone(), doubtful(thought)] {
            let reconciled = decide_one(&known, thought);
            assert_eq!(reconciled.ledger[0].reason, Some(Dropped::RejectedBefore));
            assert_eq!(
                (reconciled.ledger[0].evidence.as_slice(), reconciled.changes.len()),
                ([1].as_slice(), 0)
            );
        }
    }
    let other = decide_one(&known, thought("other", "A", json!({}), OnConflict::Merge));
    assert_eq!(other.ledger[0].outcome, Outcome::Stored);
}

#[test]
fn a_rejected_account_is_dropped_in_the_same_words_and_another_one_is_not() {
    let known = Known { refusals: vec![refused(Extent::Account, "Ada is angry")], ..Known::default() };
    let outcome = |content: &str, on_conflict| {
        decide_one(&known, thought("k", content, json!({"score": 3}), on_conflict)).ledger[0].outcome
    };
    assert_eq!(outcome("ada is  ANGRY", OnConflict::Continue), Outcome::Dropped);
    assert_eq!(outcome("Ada is glad", OnConflict::Continue), Outcome::Stored);
    assert_eq!(outcome("Ada is angry", OnConflict::Merge), Outcome::Stored);
}

#[test]
fn a_rejected_change_of_a_known_thing_leaves_everything_else_about_it_alone() {
    let known = Known {
        current: vec![memory(1, "A", json!({"names": ["A"]}))],
        refusals: vec![refused(Extent::Wording, "A")],
        ..Known::default()
    };
    let outcome = |names: serde_json::Value| {
        decide_one(&known, thought("k", "a", json!({"names": names}), OnConflict::Merge)).ledger[0].outcome
    };
    assert_eq!(outcome(json!(["B"])), Outcome::Dropped, "that was rejected");
    assert_eq!(outcome(json!(["A"])), Outcome::Merged, "that is known");
    assert_eq!(outcome(json!(["C"])), Outcome::Merged, "that is new");
}

#[test]
fn the_words_before_an_edit_count_as_those_after_it() {
    let edited = memory(1, "Lisbon, Portugal", json!({"names": ["A"]}));
    let refusal = Refusal { became: Some(edited.id), ..refused(Extent::Wording, "Lisbon") };
    let known = Known { current: vec![edited.clone()], refusals: vec![refusal], ..Known::default() };

    let again = decide_one(&known, thought("k", "lisbon", json!({"names": ["B"]}), OnConflict::Continue));
    let change = &again.changes[0];
    assert_eq!((&change.memory, change.updates), (&edited, true), "evidence, and nothing else");
    assert_eq!(again.ledger[0].outcome, Outcome::Merged);

    let more =
        decide_one(&known, doubtful(thought("k", "Lisbon", json!({"names": ["C"]}), OnConflict::Merge)));
    assert_eq!(more.changes[0].memory.content, "Lisbon, Portugal");
    assert!(more.changes[0].review.is_some());

    let replaced = Known { current: vec![memory(2, "Porto", json!({}))], ..known };
    let gone = decide_one(&replaced, thought("k", "Lisbon", json!({}), OnConflict::Supersede));
    assert_eq!(gone.ledger[0].reason, Some(Dropped::RejectedBefore));
}

proptest! {
    #[test]
    fn what_several_sessions_propose_comes_out_the_same_in_every_order(
        proposals in prop::collection::vec(("[a-c]{1,2}", 0_u8..5, prop::collection::btree_set("[a-d]", 0..4), any::<bool>()), 1..6),
        rotate in 0_usize..6,
    ) {
        let policy = ReviewPolicy { below_confidence: Some(2.0), ..ReviewPolicy::default() };
        let propose = |order: &[(usize, Thought)]| {
            let mut waiting: Option<Pending> = None;
            for (session, thought) in order {
                let known = Known { pending: waiting.clone().into_iter().collect(), ..Known::default() };
                let window = window(u128::try_from(*session).unwrap(), 0, 3);
                let change = reconcile("test", &window, &known, &policy, vec![thought.clone()]).changes.remove(0);
                waiting = Some(Pending { memory: change.memory, review: change.review.unwrap() });
            }
            let Pending { memory, review } = waiting.unwrap();
            (memory.content, memory.data, memory.confidence.to_bits(), memory.valid_from, review)
        };
        let mut order: Vec<(usize, Thought)> = proposals
            .into_iter()
            .map(|(content, confidence, names, review)| Thought {
                confidence: f32::from(confidence) / 4.0,
                review,
                ..thought("k", &content, json!({"names": names}), OnConflict::Merge)
            })
            .enumerate()
            .collect();
        let one = propose(&order);
        let middle = rotate % order.len();
        order.rotate_left(middle);
        order.reverse();
        prop_assert_eq!(one, propose(&order));
    }
}
