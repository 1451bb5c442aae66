//! What people are called by in what they say: "Bo, can you …?", "My name is Ada Grey".

use super::edges::{OPENINGS, TITLES};
use super::verbs;
use super::words::{Word, words};

/// Words after which somebody is called: "Hi Bo!", "Thanks, Bo."
const GREETINGS: &[&str] = &[
    "sure", "great", "certainly", "yeah", "wow", "alright", "ah", "hi", "hello", "hey", "thanks", "morning",
    "afternoon", "evening", "you", "yes", "no", "oh", "well", "sorry", "ok", "okay", "bye", "goodbye",
    "welcome", "congratulations", "dear", "me", "please", "right",
];
/// Names that are nobody's.
const NOT_NAMES: &[&str] = &[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february",
    "march", "april", "may", "june", "july", "august", "september", "october", "november", "december", "god",
    "christ", "english", "chinese", "christmas", "ok", "mr", "mrs", "ms", "dr", "miss", "great", "thanks",
    "speaking", "tv", "dvd",
];
/// Words that belong to the name after them.
pub(super) const BEFORE_NAMES: &[&str] = &["mr", "mrs", "ms", "dr", "miss", "professor"];

/// The longest name that is believed, in words.
const LONGEST_NAME: usize = 3;

/// Whom a sentence calls by name.
pub(crate) fn called(sentence: &str) -> Option<String> {
    let all = words(sentence);
    let greetings = all
        .iter()
        .take(3)
        .take_while(|word| word.is(GREETINGS) || word.low == "good" || word.low == "thank")
        .count();
    let rest = all.get(greetings..)?;
    let length = name_length(rest);
    if length > 0 {
        let end = rest.get(length - 1)?;
        let next = rest.get(length);
        let calls = end.after.starts_with([',', '!'])
            || next.is_none()
            || (greetings > 0 && end.after.starts_with(['.', '?', ';', '-']));
        let goes_on =
            next.is_none_or(|next| super::is_small(&next.low) || verbs::is_base(&next.low) || next.is_name());
        if calls && goes_on && (greetings > 0 || next.is_some_and(|next| !next.is_name())) {
            return Some(name(rest.get(..length)?));
        }
    }
    // "How are you, Bo?"
    let comma = all.iter().rposition(|word| word.after.starts_with(','))?;
    let last = all.get(comma + 1..)?;
    let before = all.get(comma)?;
    (!last.is_empty() && name_length(last) == last.len() && !before.is_name()).then(|| name(last))
}

/// By what name somebody introduces themselves.
pub(crate) fn introduced(sentence: &str) -> Option<String> {
    let all = words(sentence);
    (0..all.len()).find_map(|at| {
        let rest = all.get(at..)?;
        let low: Vec<&str> = rest.iter().take(3).map(|word| word.low.as_str()).collect();
        let (skipped, certain) = match low.as_slice() {
            ["my", "name", "is"] => (3, true),
            ["my", "name's", _] => (2, true),
            ["this", "is", _]
                if at == 0 || all.get(at - 1).is_some_and(|before| !before.after.is_empty()) =>
            {
                (2, false)
            }
            ["i", "am", _] => (2, false),
            _ => return None,
        };
        let rest = rest.get(skipped..)?;
        let length = name_length(rest);
        let words = rest.get(..length).filter(|words| !words.is_empty())?;
        let next = rest.get(length).map(|word| word.low.as_str());
        let ends = words.last().is_some_and(|last| !last.after.is_empty())
            || next.is_none_or(|next| matches!(next, "speaking" | "from" | "and" | "here" | "calling"));
        let person = !words
            .iter()
            .any(|word| ["ese", "ish", "ian", "ican", "nch"].iter().any(|ending| word.low.ends_with(ending)));
        (certain || (ends && person)).then(|| name(words))
    })
}

fn name_length(all: &[Word]) -> usize {
    let mut length = 0;
    for word in all.iter().take(LONGEST_NAME) {
        let title = word.is(BEFORE_NAMES);
        let names = word.is_name()
            && word.before.is_empty()
            && word.text.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\''))
            && word.low.chars().count() > 1
            && !word.low.contains('\'')
            && !word.is(NOT_NAMES)
            && !word.is(TITLES)
            && !super::is_small(&word.low)
            && !word.is(GREETINGS)
            && !word.is(OPENINGS)
            && !verbs::is_base(&word.low);
        if !(names || title && word.is_name()) {
            break;
        }
        length += 1;
        if !word.after.is_empty() && !title {
            break;
        }
    }
    let only_title = all.get(..length).is_some_and(|words| words.iter().all(|word| word.is(BEFORE_NAMES)));
    if only_title { 0 } else { length }
}

fn name(all: &[Word]) -> String {
    let mut name = String::new();
    for word in all {
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(&word.text);
        if word.is(BEFORE_NAMES) {
            name.push_str(&word.after);
        }
    }
    name
}
