//! Precision and recall over the labelled conversations, and what is missed.

#![cfg(test)]

use std::fmt::Write;

use action_detector::Kind;
use action_detector::evaluation::{evaluate, read};

#[test]
fn labelled_actions_are_found_with_their_owners_dates_and_ends() {
    let labelled = read(include_str!("../../../tests/fixtures/eval/actions.jsonl")).unwrap();
    assert!(labelled.len() >= 150);
    let mut table = String::new();
    for (name, kind) in [
        ("commitments", Some(Kind::Commitment)),
        ("to-dos", Some(Kind::Todo)),
        ("questions", Some(Kind::Question)),
        ("all", None),
    ] {
        let score = evaluate(&labelled, kind);
        writeln!(
            table,
            "{name}: precision {:.3}, recall {:.3} of {}; owner {}, due {}, status {} of {}",
            score.precision(),
            score.recall(),
            score.expected,
            score.owners,
            score.dues,
            score.statuses,
            score.found
        )
        .unwrap();
    }
    let all = evaluate(&labelled, None);
    assert!(all.precision() >= 0.9 && all.recall() >= 0.9, "{table}");
    insta::assert_snapshot!(table + &all.mistakes.join("\n"));
}

#[test]
fn a_file_without_actions_scores_nothing_found_and_nothing_missed() {
    let labelled =
        read(r#"{"messages": [{"role": "user", "text": "How are you?"}], "actions": []}"#).unwrap();
    let score = evaluate(&labelled, None);
    assert_eq!((score.expected, score.found, score.wrong), (0, 0, 0));
    assert!(read("{").is_err());
}
