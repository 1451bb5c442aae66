//! A clause with a verb in it: where it ends, and what of it is to be done.

use std::ops::Range;

use super::{LONGEST_WHAT, Statement};
use crate::action::{Doer, Kind, cut};
use crate::due::due;
use crate::sentence::{Gap, Sentence};
use crate::verbs;
use crate::vocabulary::NO_VERBS;

/// The longest clause, in words.
const LONGEST_CLAUSE: usize = 30;

/// Where the clause that holds a verb ends.
pub(crate) fn clause_end(sentence: &Sentence<'_>, verb: usize) -> usize {
    const STARTERS: [&str; 41] = [
        "i", "you", "we", "he", "she", "they", "it", "there", "this", "that", "please", "thanks", "thank",
        "ok", "okay", "right", "can", "could", "will", "would", "then", "maybe", "if", "because", "don't",
        "i'll", "i'm", "i've", "i'd", "we'll", "you'll", "he'll", "she'll", "they'll", "it'll", "we're",
        "you're", "they're", "my", "the", "no",
    ];
    const ENDINGS: [&str; 8] =
        ["but", "because", "although", "though", "unless", "whereas", "otherwise", "please"];
    let last = sentence.words.len().min(verb + LONGEST_CLAUSE);
    (verb + 1..last)
        .find(|at| {
            let Some(word) = sentence.words.get(*at) else { return true };
            let next = sentence.word(at + 1);
            let starts = STARTERS.contains(&word.lower.as_str());
            let joins = matches!(word.lower.as_str(), "and" | "so" | "or");
            match word.gap {
                Gap::Break => true,
                Gap::Comma if starts || joins && STARTERS.contains(&next) => true,
                _ => {
                    ENDINGS.contains(&word.lower.as_str())
                        || joins
                            && STARTERS.contains(&next)
                            && !matches!(next, "the" | "my" | "it" | "that" | "this")
                }
            }
        })
        .unwrap_or(last)
}

pub(super) fn is_verb(sentence: &Sentence<'_>, at: usize, gerund: bool) -> bool {
    let Some(word) = sentence.words.get(at) else { return false };
    let is_loud = !sentence.message.contains(char::is_lowercase);
    let is_capital = at > 0 && !is_loud && word.token.text.starts_with(char::is_uppercase);
    let there = matches!(word.lower.as_str(), "be" | "have") && sentence.words.len() > at + 2;
    let is_action = match word.lower.as_str() {
        "have" => {
            let next = sentence.word(at + 1);
            let empty = matches!(next, "to" | "a" | "been" | "an" | "no") || verbs::is_past(next);
            there && (!empty || sentence.has(at, &["have", "a", "look"]))
        }
        "be" => there && sentence.word(at + 1) == "there",
        other => !NO_VERBS.contains(&other) && (!gerund || other.ends_with("ing")),
    };
    is_action && !is_capital && !sentence.is_date(at) && word.lower.starts_with(char::is_alphabetic)
}

pub(super) fn stated(
    sentence: &Sentence<'_>,
    kind: Kind,
    doer: Doer,
    read: usize,
    clause: Range<usize>,
) -> Statement {
    let due = due(sentence, clause.clone()).or_else(|| due(sentence, read..clause.start));
    let without = due.as_ref().map_or(clause.end..clause.end, |due| due.words.clone());
    let piece = |words: Range<usize>| {
        let words = sentence.words.get(words).unwrap_or_default();
        let (first, last) = (words.first()?, words.last()?);
        let end = last.token.end.max(last.token.start);
        sentence.message.get(first.token.start..end)
    };
    let pieces: Vec<&str> = if without.start >= clause.start && without.end <= clause.end {
        [clause.start..without.start, without.end..clause.end].into_iter().filter_map(piece).collect()
    } else {
        piece(clause).into_iter().collect()
    };
    let what = pieces.iter().flat_map(|piece| piece.split_whitespace()).collect::<Vec<_>>().join(" ");
    Statement {
        kind,
        doer,
        owner: None,
        what: cut(&what, LONGEST_WHAT).trim_end_matches([',', ' ']).trim_end_matches(" and").to_owned(),
        due: due.map(|due| due.day),
    }
}
