//! What a person talks about in several sessions.
//!
//! A term is a noun, as far as the words before it tell, a pair of words, or a name. It counts where the person says it
//! themselves, in two sessions and on two days at least, and where a session dwelt on it: somebody, the assistant
//! included, came back to it in another message. What a person only takes up from the words right before theirs is not
//! their theme: in two sessions they must have said it otherwise. Terms that are mostly said together are one theme.

mod group;
mod term;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

use domain::SessionId;

use self::group::{Candidate, bits, grouped};
use self::term::{Mentions, named, speakers};
use self::usage::{Uses, uses};
use crate::lexicon::is_first_person;
use crate::pattern::{Measure, Pattern, PatternKind, Place, days, subject};
use crate::said::Said;

/// A term is said in so many messages at least.
const FEWEST_MESSAGES: usize = 4;

/// How many terms of a person are looked at, the weightiest: each is compared with all themes before it.
const MOST_CANDIDATES: usize = 300;

/// How many terms a theme names.
const MOST_TERMS: usize = 5;

/// Whose turn it is, and what was said in it and in the one before.
#[derive(Debug, Default)]
struct Turns<'a> {
    of: Option<(SessionId, Option<&'a str>)>,
    terms: BTreeSet<String>,
    before: BTreeSet<String>,
}

impl<'a> Turns<'a> {
    /// Moves to a message: a turn lasts until somebody else speaks, and nothing is said before the first of a session.
    fn take(&mut self, said: &'a Said) {
        let of = (said.at.session, said.who.as_deref());
        match self.of.replace(of) {
            Some(last) if last == of => {}
            Some((session, _)) if session == of.0 => self.before = std::mem::take(&mut self.terms),
            _ => (self.terms, self.before) = Default::default(),
        }
    }
}

/// The themes of every person. `known` are the keys of patterns that are stored already: of the terms of a theme the one it
/// was known by keeps naming it.
pub(crate) fn themes(said: &[Said], measure: &Measure, known: &BTreeSet<String>) -> Vec<Pattern> {
    let uses = uses(said);
    let names = speakers(said);
    let mut mentions: BTreeMap<&str, BTreeMap<String, Mentions>> = BTreeMap::new();
    // How many messages of a session hold a term, whoever said them.
    let mut dwelt: BTreeMap<(SessionId, String), usize> = BTreeMap::new();
    let mut turns = Turns::default();
    // Who said a term first in a session.
    let mut opened: BTreeMap<(SessionId, String), Option<&str>> = BTreeMap::new();
    for said in in_order(said) {
        turns.take(said);
        // Of each term its spelling, and whether a sentence with it is about who says it.
        let mut terms: BTreeMap<String, (String, bool)> = BTreeMap::new();
        for sentence in &said.sentences {
            let is_own = sentence.words.iter().any(|word| is_first_person(&word.lower));
            for (term, spelling) in term::terms(sentence, &uses, &names) {
                terms.entry(term).or_insert((spelling, false)).1 |= is_own;
            }
        }
        for (term, (spelling, is_own)) in terms {
            turns.terms.insert(term.clone());
            let place = (said.at.session, term.clone());
            *dwelt.entry(place.clone()).or_default() += 1;
            let opener = opened.entry(place).or_insert(said.who.as_deref());
            // To take up what another person brought up, without a word of oneself, is to be polite.
            let is_opener = *opener == said.who.as_deref();
            let Some(who) = said.who.as_ref().filter(|_| is_own || is_opener) else { continue };
            let is_echo = !is_opener && turns.before.contains(&term);
            let mentions = mentions.entry(who).or_default().entry(term).or_default();
            mentions.add(Place::of(said), is_echo, spelling);
        }
    }
    let mut themes = Vec::new();
    for (who, mentions) in mentions {
        let candidates = candidates(who, mentions, &dwelt, &uses, known);
        for group in grouped(candidates) {
            themes.extend(theme(who, &group, measure, known));
        }
    }
    themes
}

/// Session by session, each in its order: who brings something up is who says it first.
fn in_order(said: &[Said]) -> Vec<&Said> {
    let mut ordered: Vec<&Said> = said.iter().collect();
    ordered.sort_by_key(|said| said.at);
    ordered
}

fn theme(who: &str, group: &[Candidate], measure: &Measure, known: &BTreeSet<String>) -> Option<Pattern> {
    let key = |candidate: &Candidate| key(who, &candidate.term);
    let lead = group.iter().find(|candidate| known.contains(&key(candidate))).or_else(|| group.first())?;
    let places: BTreeSet<Place> =
        group.iter().flat_map(|candidate| candidate.places.iter().copied()).collect();
    let places: Vec<Place> = places.into_iter().collect();
    let others = group.iter().filter(|candidate| candidate.term != lead.term);
    let terms = std::iter::once(lead).chain(others).map(|candidate| candidate.spelling.clone());
    Some(Pattern {
        kind: PatternKind::Theme,
        who: who.to_owned(),
        key: key(lead),
        content: format!("{} often talks about {}.", subject(who), lead.spelling),
        terms: terms.take(MOST_TERMS).collect(),
        strength: measure.strength(who, &places),
        places,
    })
}

fn key(who: &str, term: &str) -> String {
    format!("{}:{who}:{term}", PatternKind::Theme.as_str())
}

/// The terms of a person that recur, the weightiest first: so many, and those that are known.
fn candidates(
    who: &str,
    mentions: BTreeMap<String, Mentions>,
    dwelt: &BTreeMap<(SessionId, String), usize>,
    uses: &BTreeMap<String, Uses>,
    known: &BTreeSet<String>,
) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = mentions
        .into_iter()
        .filter_map(|(term, mentions)| {
            let places = &mentions.places;
            let fewest = if term.contains(' ') { 2 } else { FEWEST_MESSAGES };
            if places.len() < fewest || mentions.unprompted.len() < 2 || days(places) < 2 {
                return None;
            }
            let in_sessions: BTreeSet<SessionId> = places.iter().map(|place| place.at.session).collect();
            let dwelt = in_sessions
                .iter()
                .filter(|session| dwelt.get(&(**session, term.clone())).is_some_and(|count| *count > 1))
                .count();
            (dwelt > 0).then(|| Candidate {
                spelling: named(&term, &mentions, uses),
                weight: 2 * dwelt + in_sessions.len(),
                places: places.iter().copied().collect(),
                messages: Vec::new(),
                term,
            })
        })
        .collect();
    candidates.sort_by(|one, other| {
        other
            .weight
            .cmp(&one.weight)
            .then(other.places.len().cmp(&one.places.len()))
            .then(one.term.cmp(&other.term))
    });
    let mut at = 0..;
    candidates.retain(|candidate| {
        at.next().is_some_and(|at| at < MOST_CANDIDATES) || known.contains(&key(who, &candidate.term))
    });
    let all: BTreeSet<Place> =
        candidates.iter().flat_map(|candidate| candidate.places.iter().copied()).collect();
    let all: Vec<Place> = all.into_iter().collect();
    for candidate in &mut candidates {
        candidate.messages = bits(&candidate.places, &all);
    }
    candidates
}
