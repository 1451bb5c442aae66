//! The languages that somebody speaks.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::{Read, Sentence, list};

static LANGUAGES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| list(include_str!("../../../lexicon/languages.txt")));

impl Sentence<'_> {
    pub(super) fn language(&self, at: usize) -> Option<Read> {
        let at = at
            + usize::from(matches!(
                self.lower(at),
                "fluent" | "some" | "good" | "basic" | "a" | "native" | "conversational"
            ));
        let at = at
            + usize::from(matches!(self.lower(at), "little" | "bit"))
            + usize::from(self.lower(at + 1) == "of");
        let name = LANGUAGES.get(self.lower(at))?;
        Read::one(capitalised(name), at + 1)
    }
}

pub(super) fn is_language(folded: &str) -> bool {
    LANGUAGES.contains(folded)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
