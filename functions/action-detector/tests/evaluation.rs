//! Precision and recall over the labelled conversations.

#![cfg(test)]

use action_detector::Kind;
use action_detector::evaluation::{evaluate, read};

#[test]
fn labelled_actions_are_found_with_their_owners_dates_and_ends() {
    let labelled = read(include_str!("../../../tests/fixtures/eval/actions.jsonl")).unwrap();
    assert!(labelled.len() >= 150);
    let all = evaluate(&labelled, None);
    for (name, kind) in [
        ("commitments", Some(Kind::Commitment)),
        ("to-dos", Some(Kind::Todo)),
        ("questions", Some(Kind::Question)),
        ("all", None),
    ] {
        let score = evaluate(&labelled, kind);
        eprintln!(
            "{name}: precision {:.3} recall {:.3} of {}; owner {} due {} status {} of {}",
            score.precision(),
            score.recall(),
            score.expected,
            score.owners,
            score.dues,
            score.statuses,
            score.found
        );
    }
    for mistake in &all.mistakes {
        eprintln!("{mistake}");
    }
    assert!(all.precision() >= 0.5 && all.recall() >= 0.5);
}
