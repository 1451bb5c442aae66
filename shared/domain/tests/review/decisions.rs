use domain::{
    Decided, Decision, Edit, Effect, Extent, InvalidEdit, OnConflict, Pending, Review, ReviewReason, decide,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::memory;

fn pending(on_conflict: OnConflict) -> Pending {
    let review = Review { reason: ReviewReason::Type, on_conflict };
    Pending { memory: memory(7, "B", json!({"names": ["B"]})), review }
}

fn edit(content: Option<&str>, data: Option<Value>) -> Decision {
    Decision::Edit(Edit::new(content.map(str::to_owned), data).unwrap())
}

const ALL: [OnConflict; 3] = [OnConflict::Merge, OnConflict::Supersede, OnConflict::Continue];

#[test]
fn approved_where_nothing_is_known_a_proposal_is_remembered_as_it_is() {
    for on_conflict in ALL {
        let pending = pending(on_conflict);
        let effect =
            Effect::Remembered { memory: pending.memory.clone(), supersedes: None, inherits_evidence: false };
        assert_eq!(decide(&pending, None, &Decision::Approve), Decided { effect, refuses: None });
    }
}

#[test]
fn an_approved_account_closes_the_current_one_and_an_approved_thing_is_merged_into_it() {
    let current = domain::Memory {
        valid_from: Timestamp::from_second(9).unwrap(),
        confidence: 0.9,
        ..memory(1, "A", json!({"names": ["A"]}))
    };
    for (on_conflict, inherits) in [(OnConflict::Supersede, false), (OnConflict::Continue, true)] {
        let decided = decide(&pending(on_conflict), Some(&current), &Decision::Approve);
        let Effect::Remembered { memory, supersedes, inherits_evidence } = decided.effect else { panic!() };
        assert_eq!((supersedes, inherits_evidence), (Some(current.id), inherits));
        assert_eq!((memory.content.as_str(), memory.valid_from), ("B", current.valid_from));
    }
    let decided = decide(&pending(OnConflict::Merge), Some(&current), &Decision::Approve);
    let Effect::Merged { memory } = decided.effect else { panic!() };
    assert_eq!((memory.id, memory.content.as_str()), (current.id, "A"), "the surer account wins");
    assert_eq!(memory.data, json!({"names": ["A", "B"]}));
}

#[test]
fn an_edit_stands_exactly_as_it_was_given() {
    let current = domain::Memory { confidence: 1.0, ..memory(1, "A", json!({"names": ["A"]})) };
    for on_conflict in ALL {
        for current in [None, Some(&current)] {
            let decision = edit(Some("Z"), Some(json!({"names": ["Z"]})));
            let decided = decide(&pending(on_conflict), current, &decision);
            let (Effect::Remembered { memory, .. } | Effect::Merged { memory }) = decided.effect else {
                panic!()
            };
            assert_eq!((memory.content.as_str(), &memory.data), ("Z", &json!({"names": ["Z"]})));
            assert_eq!(
                (memory.confidence.to_bits(), decided.refuses),
                (1.0_f32.to_bits(), Some(Extent::Wording))
            );
        }
    }
    let decided = decide(&pending(OnConflict::Merge), Some(&current), &edit(Some("Z"), None));
    let Effect::Merged { memory } = decided.effect else { panic!() };
    assert_eq!((memory.content.as_str(), memory.data), ("Z", json!({"names": ["A", "B"]})));
}

#[test]
fn a_rejection_rules_out_the_thing_or_only_what_was_said_of_it() {
    let current = memory(1, "A", json!({}));
    let refuses = |on_conflict, current| decide(&pending(on_conflict), current, &Decision::Reject);
    let rejected = |extent| Decided { effect: Effect::Rejected, refuses: Some(extent) };
    assert_eq!(refuses(OnConflict::Merge, None), rejected(Extent::Key));
    assert_eq!(refuses(OnConflict::Merge, Some(&current)), rejected(Extent::Wording));
    assert_eq!(refuses(OnConflict::Supersede, None), rejected(Extent::Account));
    assert_eq!(refuses(OnConflict::Continue, Some(&current)), rejected(Extent::Account));
}

#[test]
fn an_edit_that_cannot_be_remembered_is_refused_with_its_field() {
    let invalid = |content: Option<&str>, data| Edit::new(content.map(str::to_owned), data).unwrap_err();
    assert_eq!(invalid(None, None), InvalidEdit::Nothing);
    assert_eq!(invalid(Some(" "), None), InvalidEdit::Content { got: 1 });
    assert_eq!(invalid(Some("a\0"), None).field(), "content");
    assert_eq!(invalid(Some(&"x".repeat(8193)), None), InvalidEdit::Content { got: 8193 });
    assert_eq!(invalid(Some("a"), Some(json!([]))).field(), "data");
    assert_eq!(invalid(None, Some(json!({"a": {"b\0": 1}}))), InvalidEdit::Data);
}
