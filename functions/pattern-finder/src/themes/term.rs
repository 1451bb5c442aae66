//! The terms of a sentence, where somebody says them, and how they are written.

use std::collections::{BTreeMap, BTreeSet};

use domain::SessionId;
use model::tokens::Case;

use super::usage::{Uses, ends_phrase};
use crate::lexicon::{is_generic, opens_verb, plural};
use crate::pattern::Place;
use crate::said::{Said, Sentence, Word};

/// What is counted stands behind "a" at least once in so many times.
const COUNTED_SHARE: usize = 6;

/// Where somebody says a term, and how they write it. Most are said once: lists are small where trees are not.
#[derive(Debug, Clone, Default)]
pub(super) struct Mentions {
    /// Each once.
    pub(super) places: Vec<Place>,
    /// The sessions in which it was said and not taken up from the words right before.
    pub(super) unprompted: Vec<SessionId>,
    spellings: Vec<(String, usize)>,
}

impl Mentions {
    pub(super) fn add(&mut self, place: Place, is_echo: bool, spelling: String) {
        self.places.push(place);
        if !is_echo && self.unprompted.last() != Some(&place.at.session) {
            self.unprompted.push(place.at.session);
        }
        match self.spellings.iter_mut().find(|(known, _)| *known == spelling) {
            Some((_, count)) => *count += 1,
            None => self.spellings.push((spelling, 1)),
        }
    }

    /// The most frequent spelling, of several the first by letters, and how often it was written.
    fn spelling(&self) -> (&str, usize) {
        let most = self.spellings.iter().max_by(|one, other| one.1.cmp(&other.1).then(other.0.cmp(&one.0)));
        most.map_or(("", 0), |(spelling, count)| (spelling, *count))
    }

    /// How often it was written so.
    fn written(&self, spelling: &str) -> usize {
        self.spellings.iter().find(|(known, _)| known == spelling).map_or(0, |(_, count)| *count)
    }
}

/// The terms of a sentence with their spellings.
pub(super) fn terms(
    sentence: &Sentence,
    uses: &BTreeMap<String, Uses>,
    names: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let mut terms = BTreeMap::new();
    let of = |word: &Word| uses.get(&word.stem).copied().unwrap_or_default();
    let is_word = |word: &Word| {
        !word.is_stop
            && word.case != Case::Number
            && word.lower.len() > 2
            && !is_speaker(word, names)
            && word.lower.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\''))
            && !(word.lower.ends_with("ly") && word.lower.len() > 5)
    };
    let spelt = |word: &Word| if of(word).is_name() { word.text.clone() } else { word.lower.clone() };
    for (at, word) in sentence.words.iter().enumerate().filter(|(_, word)| is_word(word)) {
        let is_thing = of(word).is_noun() || of(word).is_name();
        if is_thing && !is_generic(&word.stem) {
            terms.insert(word.stem.clone(), spelt(word));
        }
        let Some(next) = sentence.word(at + 1).filter(|next| next.joined && is_word(next)) else { continue };
        let next_is_thing = of(next).is_noun() || of(next).is_name();
        let first_fits = !is_generic(&word.stem) && of(word).verb <= of(word).noun;
        let said_as_verb = at
            .checked_sub(1)
            .and_then(|before| sentence.word(before))
            .is_some_and(|before| word.joined && opens_verb(&before.lower));
        if next_is_thing && first_fits && !said_as_verb && ends_phrase(sentence, at + 1) {
            terms.insert(format!("{} {}", word.stem, next.stem), format!("{} {}", spelt(word), spelt(next)));
        }
    }
    terms
}

/// A term as it stands behind "talks about": what is counted in the plural, what there is one of with "the".
pub(super) fn named(term: &str, mentions: &Mentions, uses: &BTreeMap<String, Uses>) -> String {
    let (spelling, written) = mentions.spelling();
    let noun = term.rsplit(' ').next().and_then(|stem| uses.get(stem)).copied().unwrap_or_default();
    if noun.is_name() || spelling.ends_with('s') {
        return spelling.to_owned();
    }
    let plural = plural(spelling);
    // "Fantasy" in "fantasy novels" is no thing that is counted, though there may be fantasies.
    let in_plural = mentions.written(&plural);
    let mostly_counted = noun.counted >= noun.modifies;
    let is_counted = if in_plural > 0 {
        mostly_counted || 2 * in_plural >= written
    } else {
        let often = COUNTED_SHARE * noun.counted >= noun.noun && noun.counted >= noun.owned;
        noun.counted > 0 && mostly_counted && often
    };
    if is_counted {
        plural
    } else if 2 * noun.owned > noun.noun {
        format!("their {spelling}")
    } else if 2 * noun.definite > noun.noun && noun.counted == 0 {
        format!("the {spelling}")
    } else {
        spelling.to_owned()
    }
}

/// The names of who speaks, word by word, and the beginnings they are called by.
pub(super) fn speakers(said: &[Said]) -> BTreeSet<String> {
    let names = said.iter().filter_map(|said| said.who.as_deref());
    names.flat_map(str::split_whitespace).map(str::to_lowercase).collect()
}

fn is_speaker(word: &Word, names: &BTreeSet<String>) -> bool {
    let called = word.lower.trim_end_matches(['y', 'i', 'e']);
    word.case != Case::Lower
        && names
            .iter()
            .any(|name| name.starts_with(&word.lower) || (called.len() >= 3 && name.starts_with(called)))
}
