//! What a person says of themselves: "I", what stands between, and the verb.

use crate::said::{Sentence, Word};

/// What may stand between "I" and what one does, without saying that one does not.
const BETWEEN: [&str; 54] = [
    "usually", "always", "often", "regularly", "normally", "typically", "generally", "mostly", "sometimes",
    "still", "also", "just", "really", "recently", "finally", "even", "actually", "now", "already", "then",
    "have", "had", "'ve", "been", "am", "was", "were", "do", "did", "tend", "like", "love", "enjoy",
    "enjoyed", "loved", "started", "start", "began", "keep", "kept", "try", "tried", "used", "to", "both",
    "all", "totally", "definitely", "absolutely", "truly", "especially", "so", "even", "got",
];
/// What says that one does it, or did, rather than might: "used to" is over.
const OVER: [&str; 1] = ["used"];

/// What before a verb says that it is told of what was.
const WAS: [&str; 7] = ["was", "were", "had", "loved", "enjoyed", "tried", "kept"];

/// Where a clause about "I" or "we" may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// The place of the verb.
    pub(crate) at: usize,
    /// Whether what stands before it says when: `Some(true)` what was, `Some(false)` what lasts ("have"), `None` neither.
    pub(crate) was: Option<bool>,
}

/// The places of the words that the clauses about "I" and "we" of a sentence may begin with, after what stands between:
/// of "I have always loved running" those of "have", "always", "loved" and "running".
pub(crate) fn beginnings(sentence: &Sentence) -> Vec<Beginning> {
    let mut found = Vec::new();
    let subjects = sentence.words.iter().enumerate().filter(|(_, word)| is_subject(word));
    for (subject, word) in subjects {
        let mut was = word.lower.ends_with("'ve").then_some(false);
        let mut at = subject + 1;
        while let Some(word) = sentence.word(at).filter(|word| word.joined) {
            if OVER.contains(&&*word.lower) {
                break;
            }
            found.push(Beginning { at, was });
            if !BETWEEN.contains(&&*word.lower) {
                break;
            }
            was = match &*word.lower {
                "have" | "'ve" => Some(false),
                lower if WAS.contains(&lower) => was.or(Some(true)),
                _ => was,
            };
            at += 1;
        }
    }
    found
}

fn is_subject(word: &Word) -> bool {
    matches!(&*word.lower, "i" | "we" | "i've" | "we've" | "i'm" | "we're")
}

/// The noun phrase from a place on: where its last word stands, and its words, without what opens it. At most four words;
/// `None` when there is none.
pub(crate) fn phrase(sentence: &Sentence, from: usize) -> Option<(usize, Vec<&Word>)> {
    let mut at = from;
    while sentence.word(at).is_some_and(|word| word.joined && opens(word)) {
        at += 1;
    }
    let mut words = Vec::new();
    while let Some(word) = sentence.word(at).filter(|word| word.joined && !word.is_stop && words.len() < 4) {
        words.push(word);
        at += 1;
    }
    (!words.is_empty()).then(|| (at - 1, words))
}

fn opens(word: &Word) -> bool {
    matches!(&*word.lower, "a" | "an" | "the" | "my" | "our" | "some" | "lots" | "of" | "all" | "any")
}

/// The words of a phrase as they were written, names apart in lower case.
pub(crate) fn spelling(words: &[&Word]) -> String {
    let spelt = words.iter().map(|word| match word.case {
        model::tokens::Case::Lower => word.lower.as_str(),
        _ => word.text.as_str(),
    });
    spelt.collect::<Vec<_>>().join(" ")
}
