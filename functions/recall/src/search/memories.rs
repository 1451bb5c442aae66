//! Which memories answer a question best: pure, from what the search brought.
//!
//! The words and the embedding decide, as among the events. How fresh and how sure a memory is moves it a little: enough
//! to choose between two that say as much about the question, never enough to lift one that says less than half as much.

use std::collections::HashMap;

use domain::{MemoryId, worth};
use jiff::Timestamp;
use model::text;
use store::{Found, RecalledMemory};

use super::rank::{Blend, Parts, Ranked, best, own_parts};

/// What is said and asked for lately, and often; relative to the candidate of which that is most true.
const FRESHNESS: f64 = 0.1;
/// How sure the memory is.
const CONFIDENCE: f64 = 0.1;

/// A memory in its place, and those it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MemoryHit {
    pub(crate) best: Ranked<RecalledMemory>,
    /// Memories that say the same in the same words, under another type or key. They are not handed out.
    pub(crate) stands_for: Vec<MemoryId>,
}

/// The best `k` memories, best first, each said once; `now` is the time that freshness is judged at.
pub(crate) fn rank_memories(
    found: Found<RecalledMemory>,
    blend: Blend,
    now: Timestamp,
    k: usize,
) -> Vec<MemoryHit> {
    let own = own_parts(&found, blend);
    let freshness: Vec<f64> =
        found.candidates.iter().map(|candidate| freshness(&candidate.item, now)).collect();
    let freshest = freshness.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let ranked = found.candidates.into_iter().zip(own).zip(freshness).map(|((candidate, own), freshness)| {
        let confidence = f64::from(candidate.item.memory.confidence);
        let parts = Parts {
            freshness: FRESHNESS * (freshness / freshest),
            confidence: CONFIDENCE * confidence,
            ..own
        };
        Ranked { item: candidate.item, score: parts.total(), parts }
    });
    let ranked = best(ranked.collect(), usize::MAX, |recalled| {
        (std::cmp::Reverse(recalled.memory.valid_from), recalled.memory.id)
    });
    collapsed(ranked, k)
}

/// What a memory is worth by how lately it was said or handed out, and how often; a pinned one does not fade.
fn freshness(recalled: &RecalledMemory, now: Timestamp) -> f64 {
    let renewed = recalled.accessed_at.into_iter().chain([recalled.updated_at]).max().unwrap_or(now);
    worth(if recalled.pinned { now } else { renewed }, recalled.accesses, now)
}

/// The first `k` that say different things; what a worse one repeats is noted with the better.
fn collapsed(ranked: Vec<Ranked<RecalledMemory>>, k: usize) -> Vec<MemoryHit> {
    let mut hits: Vec<MemoryHit> = Vec::new();
    let mut places: HashMap<Vec<String>, Option<usize>> = HashMap::new();
    for best in ranked {
        let id = best.item.memory.id;
        let place = *places.entry(wording(&best.item.memory.content)).or_insert_with(|| {
            (hits.len() < k).then(|| {
                hits.push(MemoryHit { best, stands_for: Vec::new() });
                hits.len() - 1
            })
        });
        let Some(hit) = place.and_then(|place| hits.get_mut(place)) else { continue };
        if hit.best.item.memory.id != id {
            hit.stands_for.push(id);
        }
    }
    hits
}

/// The words of a text in order, whatever their case, endings and punctuation, and without articles. Everything else
/// counts: who says that they do *not* like something says something else.
fn wording(content: &str) -> Vec<String> {
    text::words(content)
        .map(str::to_lowercase)
        .filter(|word| !matches!(word.as_str(), "a" | "an" | "the"))
        .map(|word| text::stem(&word))
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::{Memory, MemoryType, Scope};
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use serde_json::Value;
    use store::{Candidate, Corpus};
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(2_000_000_000).unwrap()
    }

    fn days_ago(days: i64) -> Timestamp {
        now() - SignedDuration::from_hours(24 * days)
    }

    /// A candidate that says this, with this frequency of the one word that is searched.
    fn candidate(id: u128, content: &str, frequency: i32) -> Candidate<RecalledMemory> {
        let memory = Memory {
            id: MemoryId(Uuid::from_u128(id)),
            kind: MemoryType::Fact,
            scope: Scope::User,
            key: id.to_string(),
            content: content.to_owned(),
            data: Value::Null,
            confidence: 0.8,
            valid_from: days_ago(90),
        };
        let item = RecalledMemory {
            memory,
            valid_to: None,
            pinned: false,
            updated_at: days_ago(60),
            accesses: 0,
            accessed_at: None,
            evidence: Vec::new(),
            evidence_count: 0,
        };
        Candidate { item, similarity: None, length: 4, frequencies: vec![frequency], passage: None }
    }

    fn ranked(candidates: Vec<Candidate<RecalledMemory>>, k: usize) -> Vec<MemoryHit> {
        let corpus = Corpus { texts: 100, average_length: 4.0, texts_with: vec![3], ..Corpus::default() };
        rank_memories(Found { corpus, candidates }, Blend::SPELLING, now(), k)
    }

    fn order(hits: &[MemoryHit]) -> Vec<u128> {
        hits.iter().map(|hit| hit.best.item.memory.id.0.as_u128()).collect()
    }

    #[test]
    fn of_two_that_say_as_much_the_fresher_the_surer_and_the_pinned_come_first() {
        let mut fresher = candidate(2, "sailing at noon", 1);
        fresher.item.accessed_at = Some(days_ago(1));
        assert_eq!(order(&ranked(vec![candidate(1, "sailing at dawn", 1), fresher], 2)), [2, 1]);
        let mut surer = candidate(2, "sailing at noon", 1);
        surer.item.memory.confidence = 0.9;
        assert_eq!(order(&ranked(vec![candidate(1, "sailing at dawn", 1), surer], 2)), [2, 1]);
        let mut pinned = candidate(2, "sailing at noon", 1);
        pinned.item.pinned = true;
        assert_eq!(order(&ranked(vec![candidate(1, "sailing at dawn", 1), pinned], 2)), [2, 1]);
    }

    #[test]
    fn what_is_asked_for_often_does_not_pass_what_answers() {
        let mut popular = candidate(1, "tea at noon", 0);
        (popular.item.accesses, popular.item.accessed_at) = (1_000_000, Some(now()));
        popular.item.memory.confidence = 1.0;
        let mut answer = candidate(2, "sailing at dawn", 1);
        answer.item.memory.confidence = 0.0;
        assert_eq!(order(&ranked(vec![popular, answer], 2)), [2, 1]);
    }

    #[test]
    fn the_same_said_twice_is_handed_out_once_with_what_it_stands_for() {
        let mut entity = candidate(2, "the Sailing boats", 1);
        entity.item.memory.kind = MemoryType::Entity;
        entity.item.accessed_at = Some(now());
        let hits =
            ranked(vec![candidate(1, "Sailing boat.", 1), entity, candidate(3, "not a sailing boat", 1)], 10);
        assert_eq!(order(&hits), [2, 3]);
        assert_eq!(hits[0].stands_for, [MemoryId(Uuid::from_u128(1))]);
        assert!(hits[1].stands_for.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_by_collapsing_and_every_score_is_the_sum_of_its_parts(
            rows in prop::collection::vec((0_usize..6, 0_i32..3, 0_i64..100, 0_i64..50, any::<bool>()), 0..30),
        ) {
            let texts = ["tea", "Tea.", "no tea", "the tea", "coffee", "coffee at noon"];
            let candidates: Vec<_> = rows.iter().enumerate().map(|(at, (text, frequency, days, accesses, pinned))| {
                let mut made = candidate(at as u128, texts[*text], *frequency);
                (made.item.updated_at, made.item.accesses, made.item.pinned) = (days_ago(*days), *accesses, *pinned);
                made
            }).collect();
            let count = candidates.len();
            let hits = ranked(candidates, count);
            let mut all: Vec<_> = hits
                .iter()
                .flat_map(|hit| hit.stands_for.iter().copied().chain([hit.best.item.memory.id]))
                .collect();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count);
            prop_assert!(hits.is_sorted_by(|a, b| a.best.score >= b.best.score));
            for hit in &hits {
                let Parts { words, similarity, freshness, confidence, .. } = hit.best.parts;
                prop_assert!((hit.best.score - (words + similarity + freshness + confidence)).abs() < 1e-12);
                prop_assert!((0.0..=FRESHNESS).contains(&freshness) && (0.0..=CONFIDENCE).contains(&confidence));
            }
        }
    }
}
