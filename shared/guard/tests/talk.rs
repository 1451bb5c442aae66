//! How much is found of what there is, and how much of what is found is there.

#![cfg(test)]

mod lines;

use std::collections::BTreeMap;

use domain::{GuardAction, GuardPolicy, IdentifierActions};
use guard::look;
use lines::lines;

fn everything(action: GuardAction) -> GuardPolicy {
    GuardPolicy { secrets: action, identifiers: IdentifierActions::all(action) }
}

#[derive(Default)]
struct Tally {
    there: u32,
    found: u32,
    right: u32,
}

#[test]
fn most_of_what_is_there_is_found_and_ordinary_talk_passes() {
    let policy = everything(GuardAction::Redact);
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut ordinary, mut touched) = (0, Vec::new());
    for line in lines() {
        let mut found: Vec<&str> =
            look(policy, &line.text).iter().map(|finding| finding.rule.kind()).collect();
        if line.finds.is_empty() {
            ordinary += 1;
            if !found.is_empty() {
                touched.push(format!("{} {found:?}", line.text));
            }
        }
        for kind in &line.finds {
            let tally = tallies.entry(kind.clone()).or_default();
            tally.there += 1;
            if let Some(at) = found.iter().position(|found| found == kind) {
                found.swap_remove(at);
                (tally.found, tally.right) = (tally.found + 1, tally.right + 1);
            } else {
                println!("missed {kind}: {}", line.text);
            }
        }
        for kind in found {
            tallies.entry(kind.to_owned()).or_default().found += 1;
            println!("wrong {kind}: {}", line.text);
        }
    }
    println!("{:12} {:>5} {:>9} {:>9}", "kind", "there", "recall", "precision");
    for (kind, Tally { there, found, right }) in &tallies {
        let (recall, precision) =
            (f64::from(*right) / f64::from(*there), f64::from(*right) / f64::from(*found));
        println!("{kind:12} {there:5} {recall:9.3} {precision:9.3}");
        assert!(recall >= 0.8, "{kind}: recall {recall}");
        assert!(precision >= 0.95, "{kind}: precision {precision}");
    }
    println!("{ordinary} ordinary lines, {} touched", touched.len());
    assert!(touched.len() * 100 <= ordinary, "{touched:#?}");
}

#[test]
fn what_was_redacted_is_not_redacted_again() {
    let policy = everything(GuardAction::Redact);
    for line in lines() {
        let mut text = line.text;
        guard::Screen::of(policy).unwrap().text("content", &mut text).unwrap();
        assert_eq!(look(policy, &text), [], "{text}");
    }
}
