//! A sentence in which values are read: its words, its dates, and where nothing more is said.

use std::collections::BTreeSet;

use model::dates::DateMention;

use super::words::{Gap, Word};

const ADVERBS: [&str; 28] = [
    "still", "now", "currently", "really", "just", "actually", "also", "always", "recently", "absolutely",
    "totally", "already", "even", "quite", "pretty", "very", "truly", "definitely", "both", "finally", "so",
    "especially", "mostly", "mainly", "usually", "personally", "certainly", "super",
];

/// Before one of these, as before a mark, nothing more is said of what came last.
const CLOSINGS: [&str; 15] = [
    "and", "but", "so", "now", "too", "because", "since", "any", "though", "again", "either", "who",
    "already", "today", "yesterday",
];

/// A sentence in which values are read.
#[derive(Debug)]
pub(super) struct Sentence<'a> {
    pub(super) words: Vec<Word<'a>>,
    pub(super) dates: Vec<DateMention>,
    /// Who speaks in the conversation, as names are folded.
    pub(super) speakers: &'a BTreeSet<String>,
}

/// Whether a word may stand anywhere in a sentence without a change to what it says.
pub(super) fn is_adverb(word: &str) -> bool {
    ADVERBS.contains(&word)
}

impl<'a> Sentence<'a> {
    pub(super) fn lower(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.lower.as_str())
    }

    /// The word `at`, unless something other than spaces stands before it.
    pub(super) fn joined(&self, at: usize) -> Option<&Word<'a>> {
        self.words.get(at).filter(|word| word.gap == Gap::None)
    }

    /// Whether nothing more is said before the next mark or conjunction.
    pub(super) fn ends_at(&self, at: usize) -> bool {
        self.words.get(at).is_none_or(|word| {
            word.gap != Gap::None || self.is_date(word) || CLOSINGS.contains(&word.lower.as_str())
        })
    }

    pub(super) fn is_date(&self, word: &Word<'_>) -> bool {
        self.dates.iter().any(|date| date.span.start <= word.start && word.start < date.span.end)
    }
}
