//! Terms that are mostly said together, as one theme.

use std::collections::BTreeSet;

use crate::pattern::Place;

/// Two terms are one theme when they share so much of the rarer one's messages.
const MOSTLY_TOGETHER: f64 = 0.5;

/// A term that may be a theme.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The stems, one or two.
    pub(super) term: String,
    pub(super) spelling: String,
    pub(super) places: BTreeSet<Place>,
    pub(super) weight: usize,
    /// A bit for each message of the person that holds a candidate, set where it holds this one: terms are compared with
    /// each other many times.
    pub(super) messages: Vec<u64>,
}

/// The terms in themes, each with the one that names it first.
pub(super) fn grouped(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut groups: Vec<Vec<Candidate>> = Vec::new();
    for candidate in candidates {
        let home = groups.iter_mut().find(|group| group.first().is_some_and(|lead| belong(lead, &candidate)));
        match home {
            // A pair that makes up most of the mentions of its noun says better what is meant.
            Some(group) => match group.first() {
                Some(lead) if says_better(&candidate, lead) => group.insert(0, candidate),
                _ => group.push(candidate),
            },
            None => groups.push(vec![candidate]),
        }
    }
    groups
}

fn belong(one: &Candidate, other: &Candidate) -> bool {
    if one.term.split(' ').any(|stem| other.term.split(' ').any(|part| part == stem)) {
        return true;
    }
    let both = one.messages.iter().zip(&other.messages);
    let both: usize = both.map(|(one, other)| usize::try_from((one & other).count_ones()).unwrap_or(0)).sum();
    both >= 2 && share(both, one.places.len().min(other.places.len())) >= MOSTLY_TOGETHER
}

fn says_better(pair: &Candidate, lead: &Candidate) -> bool {
    let is_pair_of = pair.term.contains(' ') && pair.term.split(' ').any(|stem| stem == lead.term);
    is_pair_of && share(pair.places.len(), lead.places.len()) >= MOSTLY_TOGETHER
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(whole.max(1))
}

/// A bit for each of all places, set where it is one of these.
pub(super) fn bits(places: &BTreeSet<Place>, all: &[Place]) -> Vec<u64> {
    let mut bits = vec![0_u64; all.len().div_ceil(64)];
    for at in places.iter().filter_map(|place| all.binary_search(place).ok()) {
        if let Some(word) = bits.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }
    bits
}
