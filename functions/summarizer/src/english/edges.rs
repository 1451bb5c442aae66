//! What a sentence opens and ends with but does not say: greetings, names that are called, tags.

use super::names::BEFORE_NAMES;
use super::report::is_pronoun;
use super::words::Word;
use super::{question, verbs};

/// Words a sentence may begin with that say nothing.
pub(super) const OPENINGS: &[&str] = &[
    "thanks", "well", "oh", "ah", "um", "uh", "hmm", "er", "hi", "hello", "hey", "yes", "yeah", "yep", "yup",
    "no", "nope", "ok", "okay", "so", "and", "but", "or", "then", "actually", "anyway", "anyways", "look",
    "listen", "wow", "gosh", "right", "sure", "alright", "great", "good", "fine", "honestly", "frankly",
    "basically", "please", "certainly", "absolutely", "exactly", "really", "indeed", "sorry", "now",
    "anyhow", "besides", "also", "haha", "lol", "oops", "ha", "ugh", "aww", "goodness", "unfortunately",
    "luckily", "because",
];
/// Those of them that are dropped without a comma after them.
const BARE: &[&str] = &[
    "or", "then", "well", "oh", "ah", "um", "uh", "hmm", "hi", "hello", "hey", "yeah", "so", "and", "but",
    "ok", "okay", "please", "because",
];
/// Phrases a sentence may begin with that say nothing.
pub(super) const PHRASES: &[&[&str]] = &[
    &["you", "know"],
    &["you", "see"],
    &["i", "mean"],
    &["by", "the", "way"],
    &["in", "fact"],
    &["of", "course"],
    &["all", "right"],
    &["no", "problem"],
    &["to", "be", "honest"],
    &["to", "tell", "you", "the", "truth"],
    &["to", "tell", "the", "truth"],
    &["as", "you", "know"],
    &["as", "i", "said"],
    &["believe", "it", "or", "not"],
    &["excuse", "me"],
    &["pardon", "me"],
    &["good", "morning"],
    &["good", "afternoon"],
    &["good", "evening"],
    &["thank", "you"],
    &["oh", "my", "god"],
    &["my", "god"],
    &["let", "me", "see"],
    &["for", "example"],
    &["i", "am", "sorry"],
    &["first", "of", "all"],
    &["i", "am", "afraid"],
    &["i", "am", "fine"],
    &["i", "am", "good"],
    &["i", "am", "great"],
    &["not", "bad"],
    &["not", "really"],
];

/// Takes off what a sentence opens with but does not say: "Well, you know, Bo, …". Whether "please" was among it.
pub(super) fn strip_openings(all: &mut Vec<Word>) -> bool {
    let mut polite = false;
    loop {
        let comma = |word: Option<&Word>| {
            word.is_some_and(|word| word.after.contains([',', '.', '!', ';', ':', '-', '—', '…']))
        };
        let phrase = PHRASES.iter().find(|phrase| {
            all.len() > phrase.len()
                && phrase.iter().zip(all.iter()).all(|(expected, word)| word.low == *expected)
                && (comma(all.get(phrase.len() - 1))
                    || matches!(**phrase, ["i", "am", "afraid"] | ["excuse", "me"]))
        });
        let count = match (phrase, all.as_slice()) {
            (Some(["i", "am", "afraid"]), [_, _, _, next, ..]) if next.is(&["of", "to", "so", "not"]) => {
                break;
            }
            (Some(phrase), _) => phrase.len(),
            (None, [first, _, ..]) if first.is(OPENINGS) && (comma(Some(first)) || first.is(BARE)) => {
                polite |= first.low == "please";
                1
            }
            // Somebody is called: "Bo, …", "Dear Dr. Grey, …".
            (None, all) => match called(all) {
                0 => break,
                count => count,
            },
        };
        all.drain(..count.min(all.len()));
    }
    polite
}

/// "My name is Ada Grey, and I …": what comes after it.
pub(super) fn strip_introduction(all: &mut Vec<Word>) {
    if let [my, name, is, ..] = all.as_slice()
        && my.low == "my"
        && name.low == "name"
        && is.low == "is"
        && let Some(and) = all.iter().position(|word| word.is(&["and", "i"]))
        && and < 8
        && and + 2 < all.len()
    {
        let skipped = if all.get(and).is_some_and(|word| word.low == "and") { and + 1 } else { and };
        all.drain(..skipped);
    }
}

/// Words by which people are called without their names.
pub(super) const TITLES: &[&str] = &[
    "sir", "madam", "ma'am", "honey", "dear", "darling", "sweetie", "buddy", "dude", "guys", "everyone",
    "everybody", "folks", "man", "doctor", "mom", "dad", "mum", "professor", "officer", "miss", "mister",
];

/// How many words at the beginning call somebody.
fn called(all: &[Word]) -> usize {
    let end = all.iter().take(3).position(|word| word.after.starts_with([',', '!']));
    match end {
        Some(end) if all.len() > end + 1 => {
            let name = all.get(..=end).unwrap_or_default();
            let calls = name.iter().all(|word| {
                word.is(BEFORE_NAMES)
                    || (word.is_name()
                        && !super::is_small(&word.low)
                        && !verbs::is_base(&word.low)
                        && !word.low.ends_with("ly"))
                    || word.is(TITLES)
            });
            if calls { end + 1 } else { 0 }
        }
        _ => 0,
    }
}

/// Takes off what a sentence ends with but does not say: ", Bo", ", please", ", right", ", isn't it". Whether one of them
/// made a question of a statement.
pub(super) fn strip_endings(all: &mut Vec<Word>) -> bool {
    let mut tagged = false;
    while let Some(comma) = all.iter().rposition(|word| word.after.starts_with(',')) {
        let last = all.get(comma + 1..).unwrap_or_default();
        let low: Vec<&str> = last.iter().map(|word| word.low.as_str()).collect();
        let asks = match low.as_slice() {
            ["right" | "huh" | "eh"] | ["don't", "you", "think"] => true,
            [auxiliary, subject] => verbs::is_auxiliary(auxiliary) && is_pronoun(subject),
            _ => false,
        };
        let says_nothing = match low.as_slice() {
            [one] => {
                matches!(
                    *one,
                    "please"
                        | "ok"
                        | "okay"
                        | "too"
                        | "though"
                        | "then"
                        | "yeah"
                        | "anyway"
                        | "well"
                        | "remember"
                ) || TITLES.contains(one)
                    || last.iter().all(Word::is_name) && !before_is_list(all, comma)
            }
            []
            | ["you", "know" | "see"]
            | ["of", "course"]
            | ["i", "mean"]
            | ["by", "the", "way"]
            | ["mr" | "mrs" | "ms" | "dr" | "miss" | "professor", _] => true,
            _ => false,
        };
        if !asks && !says_nothing {
            break;
        }
        tagged |= asks && all.first().is_none_or(|first| !question::may_ask(first));
        all.truncate(comma + 1);
        if let Some(word) = all.last_mut() {
            word.after.clear();
        }
    }
    tagged
}

/// "in Porto, Lisbon": a name before the comma makes one after it a place or a list.
fn before_is_list(all: &[Word], comma: usize) -> bool {
    all.get(comma).is_some_and(Word::is_name) && comma > 0
}
