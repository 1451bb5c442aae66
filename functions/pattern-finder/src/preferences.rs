//! What a person says they like or dislike, in two sessions and on two days at least. Of two that contradict each other
//! the one said last holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::clause::{phrase, spelling};
use crate::lexicon::is_generic;
use crate::pattern::{Measure, Pattern, PatternKind, Place, days, sessions, subject};
use crate::said::{Said, Sentence, Word};

/// What may stand between "I" and "like".
const BETWEEN: [&str; 14] = [
    "really", "just", "also", "always", "still", "absolutely", "truly", "so", "totally", "especially", "'ve",
    "have", "do", "definitely",
];

#[derive(Debug, Default)]
struct Found {
    places: BTreeSet<Place>,
    words: BTreeMap<String, usize>,
}

/// The preferences of every person.
pub(crate) fn preferences(said: &[Said], measure: &Measure) -> Vec<Pattern> {
    let mut found: BTreeMap<(&str, String, bool), Found> = BTreeMap::new();
    for said in said {
        let Some(who) = &said.who else { continue };
        for sentence in said.sentences.iter().filter(|sentence| !sentence.asks) {
            for (stem, words, likes) in stated(sentence) {
                let found = found.entry((who, stem, likes)).or_default();
                found.places.insert(Place::of(said));
                *found.words.entry(words).or_default() += 1;
            }
        }
    }
    let last = |found: &Found| found.places.last().copied();
    let holds = |who: &str, stem: &str, likes: bool, one: &Found| {
        let other = found.get(&(who, stem.to_owned(), !likes));
        other.is_none_or(|other| last(other) < last(one))
    };
    let recurs = found.iter().filter(|(_, found)| {
        let places: Vec<Place> = found.places.iter().copied().collect();
        sessions(&places) >= 2 && days(&places) >= 2
    });
    recurs
        .filter(|((who, stem, likes), found)| holds(who, stem, *likes, found))
        .filter_map(|((who, stem, likes), found)| {
            let places: Vec<Place> = found.places.iter().copied().collect();
            let verb = if *likes { "like" } else { "dislike" };
            let words =
                found.words.iter().max_by(|one, other| one.1.cmp(other.1).then_with(|| other.0.cmp(one.0)));
            let (words, _) = words?;
            Some(Pattern {
                kind: PatternKind::Preference,
                who: (*who).to_owned(),
                key: format!("{}:{}:{verb} {stem}", PatternKind::Preference.as_str(), who),
                content: format!("{} keeps saying that they {verb} {words}.", subject(who)),
                terms: vec![stem.clone()],
                strength: measure.strength(who, &places),
                places,
            })
        })
        .collect()
}

/// What a sentence says is liked (`true`) or disliked: the stem of it, and its words.
fn stated(sentence: &Sentence) -> Vec<(String, String, bool)> {
    let mut stated = Vec::new();
    for (at, word) in sentence.words.iter().enumerate() {
        let (mut here, mut negated) = (at + 1, false);
        if !matches!(&*word.lower, "i" | "i've" | "i'm") {
            continue;
        }
        while let Some(word) = sentence.word(here).filter(|word| word.joined) {
            match &*word.lower {
                "don't" | "can't" | "not" | "never" | "didn't" => negated = true,
                lower if BETWEEN.contains(&lower) => {}
                _ => break,
            }
            here += 1;
        }
        let Some(verb) = sentence.word(here).filter(|word| word.joined) else { continue };
        let (from, likes) = match &*verb.lower {
            "love" | "like" | "enjoy" | "adore" | "prefer" | "loved" | "enjoyed" | "into" => {
                (here + 1, !negated)
            }
            "hate" | "dislike" | "despise" if !negated => (here + 1, false),
            "stand" if negated => (here + 1, false),
            "fond" | "passionate" | "crazy"
                if sentence.word(here + 1).is_some_and(|next| matches!(&*next.lower, "of" | "about")) =>
            {
                (here + 2, !negated)
            }
            "a" | "an" => match fan_of(sentence, here + 1) {
                Some(from) => (from, !negated),
                None => continue,
            },
            _ => continue,
        };
        stated.extend(liked(sentence, from).map(|(stem, words)| (stem, words, likes)));
    }
    stated
}

/// Where what somebody is a fan of begins: behind "big fan of".
fn fan_of(sentence: &Sentence, from: usize) -> Option<usize> {
    (from..from + 3).find(|at| sentence.has_at(*at, &["fan", "of"])).map(|at| at + 2)
}

/// What is liked from a place on: an activity or a thing, its stem and its words.
fn liked(sentence: &Sentence, from: usize) -> Option<(String, String)> {
    let from = if sentence.word(from).is_some_and(|word| word.joined && word.lower == "to") {
        from + 1
    } else {
        from
    };
    let (_, words) = phrase(sentence, from)?;
    let says = |word: &&&Word| !is_generic(&word.stem);
    // Of an activity the verb, of a thing the noun.
    let first = words.first()?;
    let telling = if first.lower.ends_with("ing") { first } else { words.last()? };
    let telling = Some(telling).filter(says)?;
    if telling.lower.ends_with("ly") || telling.lower.ends_with("ed") {
        return None;
    }
    Some((telling.stem.clone(), spelling(&words)))
}
