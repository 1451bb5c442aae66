//! What a word is in all that was said: a noun, a name, something that is counted or owned. The words before it tell.

use std::collections::BTreeMap;

use model::tokens::Case;

use crate::lexicon::{is_copula, opens_adjective, opens_noun, opens_verb};
use crate::said::{Said, Sentence, Word};

/// What a word is in the sentences it stands in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uses {
    pub(super) noun: usize,
    pub(super) other: usize,
    pub(super) verb: usize,
    /// Where a capital would say something, and there is one.
    pub(super) name: usize,
    /// Where it would, and there is none.
    pub(super) plain: usize,
    /// Behind "a" or "an".
    pub(super) counted: usize,
    /// Behind "my" or "our".
    pub(super) owned: usize,
    /// Behind "the".
    pub(super) definite: usize,
    /// Before a noun, of which it tells more.
    pub(super) modifies: usize,
}

impl Uses {
    pub(super) const fn is_noun(self) -> bool {
        self.noun > self.other
    }

    pub(super) const fn is_name(self) -> bool {
        self.name > 0 && self.name > 2 * self.plain
    }
}

/// What a word is in all that was said: the words before it tell.
pub(super) fn uses(said: &[Said]) -> BTreeMap<String, Uses> {
    let mut uses: BTreeMap<String, Uses> = BTreeMap::new();
    for sentence in said.iter().flat_map(|said| &said.sentences) {
        for (at, word) in sentence.words.iter().enumerate() {
            if word.is_stop || word.case == Case::Number {
                continue;
            }
            let uses = uses.entry(word.stem.clone()).or_default();
            if !word.opens {
                if matches!(word.case, Case::Capital | Case::Mixed | Case::Upper) {
                    uses.name += 1;
                } else {
                    uses.plain += 1;
                }
            }
            let before = at.checked_sub(1).and_then(|before| sentence.word(before)).filter(|_| word.joined);
            match before.map(|before| &*before.lower) {
                Some(before) if opens_verb(before) => uses.verb += 1,
                Some("a" | "an") if ends_phrase(sentence, at) => uses.counted += 1,
                Some("my" | "our") if ends_phrase(sentence, at) => uses.owned += 1,
                Some("the") if ends_phrase(sentence, at) => uses.definite += 1,
                _ => {}
            }
            if ends_phrase(sentence, at) {
                match stands_for_thing(sentence, at) {
                    Some(true) => uses.noun += 1,
                    Some(false) => uses.other += 1,
                    None => {}
                }
            }
        }
    }
    let is_noun = |word: &Word| uses.get(&word.stem).is_some_and(|uses| uses.is_noun());
    let mut modifiers: BTreeMap<String, usize> = BTreeMap::new();
    for sentence in said.iter().flat_map(|said| &said.sentences) {
        for (word, next) in sentence.words.iter().zip(sentence.words.iter().skip(1)) {
            if next.joined && !word.is_stop && !next.is_stop && is_noun(next) {
                *modifiers.entry(word.stem.clone()).or_default() += 1;
            }
        }
    }
    for (stem, count) in modifiers {
        uses.entry(stem).or_default().modifies = count;
    }
    uses
}

/// Whether no word that says something follows: the last word of a noun phrase is its noun.
pub(super) fn ends_phrase(sentence: &Sentence, at: usize) -> bool {
    sentence.word(at + 1).is_none_or(|next| !next.joined || next.is_stop)
}

/// Whether a word is a noun by the small word before it, over at most two others; `None` when there is none to tell.
fn stands_for_thing(sentence: &Sentence, at: usize) -> Option<bool> {
    let mut here = at;
    for walked in 0..3 {
        if !sentence.word(here)?.joined {
            return None;
        }
        here = here.checked_sub(1)?;
        let before = sentence.word(here)?;
        if is_copula(&before.lower) || opens_adjective(&before.lower) {
            return Some(false);
        }
        if opens_noun(&before.lower) {
            return Some(true);
        }
        if opens_verb(&before.lower) {
            // "I love pottery": what comes between is the verb, and this its object.
            return Some(walked > 0);
        }
        if before.is_stop {
            return None;
        }
    }
    None
}
