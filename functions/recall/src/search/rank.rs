//! Which candidates answer a question best: pure, from what the search brought.
//!
//! Every measure is brought to 0..1 by its best candidate and added with a fixed round weight. Few ingredients, chosen
//! because they should hold anywhere: rare words count more than common ones (BM25), meaning counts beside words, a turn
//! is understood with the turns around it and by what its session is about, and who is asked about has mostly said it.

use std::collections::HashMap;

use domain::SessionId;
use serde::Serialize;
use store::{Candidate, Corpus, Found, RecalledEvent};
use utoipa::ToSchema;

use super::answer::rounded;

/// Saturation of a word's frequency in BM25 (Robertson and Zaragoza, 2009).
const BM25_K1: f64 = 1.2;
/// How much BM25 discounts long texts.
const BM25_B: f64 = 0.5;

/// The question's words.
const WORDS: f64 = 1.0;
/// The embedding. The built-in embedder mostly sees the same words again.
const SIMILARITY: f64 = 0.25;
/// Said by someone the question names.
const SPEAKER: f64 = 0.5;
/// What the turn before says counts this much, relative to what the turn itself says.
const BEFORE: f64 = 0.5;
/// What the turn after says.
const AFTER: f64 = 0.25;
/// The best turn of the session.
const SESSION: f64 = 0.5;
/// A question is rarely an answer.
const ASKS: f64 = -0.25;

/// A candidate in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranked<T> {
    /// The event or memory.
    pub(crate) item: T,
    /// The sum of its parts.
    pub(crate) score: f64,
    /// What it is made of.
    pub(crate) parts: Parts,
}

/// What a score is made of, each part with its weight already in it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
#[schema(as = ScoreParts)]
pub(crate) struct Parts {
    /// The question's words.
    #[serde(serialize_with = "rounded")]
    pub(crate) words: f64,
    /// The embedding.
    #[serde(serialize_with = "rounded")]
    pub(crate) similarity: f64,
    /// Of a memory: said or asked for lately, and often.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) freshness: f64,
    /// Of a memory: how sure it is.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) confidence: f64,
    /// Said by someone the question names.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) speaker: f64,
    /// The turns before and after.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) neighbours: f64,
    /// The best turn of the session.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) session: f64,
    /// Less for a turn that only asks.
    #[serde(serialize_with = "rounded", skip_serializing_if = "is_zero")]
    pub(crate) asks: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(part: &f64) -> bool {
    *part == 0.0
}

impl Parts {
    pub(super) fn total(self) -> f64 {
        self.words
            + self.similarity
            + self.freshness
            + self.confidence
            + self.speaker
            + self.neighbours
            + self.session
            + self.asks
    }
}

/// The best `k` events, best first; `named` are the speakers that the question names.
pub(crate) fn rank_events(
    found: Found<RecalledEvent>,
    named: &[String],
    k: usize,
) -> Vec<Ranked<RecalledEvent>> {
    let own = own_parts(&found);
    let said: HashMap<_, f64> = found
        .candidates
        .iter()
        .zip(&own)
        .map(|(candidate, parts)| ((candidate.item.session, candidate.item.version), parts.total()))
        .collect();
    let mut best_of_session: HashMap<SessionId, f64> = HashMap::new();
    for ((session, _), score) in &said {
        best_of_session.entry(*session).and_modify(|best| *best = best.max(*score)).or_insert(*score);
    }
    let of = |event: &RecalledEvent, step: i64| {
        said.get(&(event.session, event.version.saturating_add(step))).copied().unwrap_or_default()
    };
    let ranked = found.candidates.into_iter().zip(own).map(|(candidate, own)| {
        let event = candidate.item;
        let is_named = event.speaker.as_ref().is_some_and(|speaker| named.contains(speaker));
        let parts = Parts {
            speaker: if is_named { SPEAKER } else { 0.0 },
            neighbours: BEFORE * of(&event, -1) + AFTER * of(&event, 1),
            session: SESSION * best_of_session.get(&event.session).copied().unwrap_or_default(),
            asks: if event.content.trim_end().ends_with('?') { ASKS } else { 0.0 },
            ..own
        };
        Ranked { item: event, score: parts.total(), parts }
    });
    best(ranked.collect(), k, |event| (std::cmp::Reverse(event.occurred_at), event.session, event.version))
}

/// The first `k` by score; equal scores by `tie`, so that the same question always gets the same answer.
pub(super) fn best<T, K: Ord>(mut ranked: Vec<Ranked<T>>, k: usize, tie: impl Fn(&T) -> K) -> Vec<Ranked<T>> {
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| tie(&a.item).cmp(&tie(&b.item))));
    ranked.truncate(k);
    ranked
}

/// The words and the embedding of each candidate, in the candidates' order.
pub(super) fn own_parts<T>(found: &Found<T>) -> Vec<Parts> {
    let words: Vec<f64> = found.candidates.iter().map(|candidate| bm25(&found.corpus, candidate)).collect();
    let similarity: Vec<f64> =
        found.candidates.iter().map(|candidate| candidate.similarity.unwrap_or_default().max(0.0)).collect();
    let (most_words, most_similarity) = (most(&words), most(&similarity));
    words
        .into_iter()
        .zip(similarity)
        .map(|(words, similarity)| Parts {
            words: WORDS * share(words, most_words),
            similarity: SIMILARITY * share(similarity, most_similarity),
            ..Parts::default()
        })
        .collect()
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn share(value: f64, most: f64) -> f64 {
    if most > 0.0 { value / most } else { 0.0 }
}

/// Okapi BM25 of a candidate, with the never negative form of the inverse document frequency.
#[expect(clippy::cast_precision_loss, reason = "counts of a user's texts are far below 2^52")]
fn bm25<T>(corpus: &Corpus, candidate: &Candidate<T>) -> f64 {
    let texts = corpus.texts as f64;
    let length =
        if corpus.average_length > 0.0 { f64::from(candidate.length) / corpus.average_length } else { 1.0 };
    let norm = BM25_K1 * (1.0 - BM25_B + BM25_B * length);
    candidate
        .frequencies
        .iter()
        .zip(&corpus.texts_with)
        .map(|(frequency, texts_with)| {
            let (frequency, texts_with) = (f64::from(*frequency), *texts_with as f64);
            let rarity = (1.0 + (texts - texts_with + 0.5) / (texts_with + 0.5)).ln();
            rarity * frequency * (BM25_K1 + 1.0) / (frequency + norm)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn event(session: u128, version: i64, speaker: &str, content: &str) -> RecalledEvent {
        RecalledEvent {
            session: SessionId(Uuid::from_u128(session)),
            session_name: format!("session {session}"),
            version,
            role: "user".into(),
            speaker: Some(speaker.into()),
            content: content.into(),
            occurred_at: Timestamp::from_second(version).unwrap(),
        }
    }

    /// A candidate with these frequencies of the two words that are searched, the first of them rare.
    fn candidate(
        item: RecalledEvent,
        frequencies: [i32; 2],
        similarity: Option<f64>,
    ) -> Candidate<RecalledEvent> {
        Candidate { item, similarity, length: 8, frequencies: frequencies.to_vec() }
    }

    fn ranked(candidates: Vec<Candidate<RecalledEvent>>, named: &[&str], k: usize) -> Vec<(u128, i64)> {
        let corpus = Corpus { texts: 100, average_length: 8.0, texts_with: vec![2, 60] };
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        rank_events(Found { corpus, candidates }, &named, k)
            .into_iter()
            .map(|ranked| (ranked.item.session.0.as_u128(), ranked.item.version))
            .collect()
    }

    #[test]
    fn a_rare_word_counts_more_than_a_common_one_however_often() {
        let order = ranked(
            vec![
                candidate(event(1, 1, "Ada", "common common common"), [0, 3], None),
                candidate(event(2, 1, "Ada", "rare"), [1, 0], None),
            ],
            &[],
            10,
        );
        assert_eq!(order, [(2, 1), (1, 1)]);
    }

    #[test]
    fn whoever_is_named_has_mostly_said_it() {
        let candidates = || {
            vec![
                candidate(event(1, 1, "Ada", "the same"), [0, 1], None),
                candidate(event(1, 9, "Bob", "the same"), [0, 1], None),
            ]
        };
        assert_eq!(ranked(candidates(), &["Ada"], 1), [(1, 1)]);
        assert_eq!(ranked(candidates(), &["Bob"], 1), [(1, 9)]);
    }

    #[test]
    fn an_answer_is_found_by_the_question_before_it() {
        let order = ranked(
            vec![
                candidate(event(1, 1, "Ada", "Where is the rare common?"), [1, 1], Some(0.9)),
                candidate(event(1, 2, "Bob", "In Lisbon."), [0, 0], Some(0.1)),
                candidate(event(2, 1, "Bob", "In common."), [0, 1], Some(0.2)),
            ],
            &[],
            10,
        );
        assert_eq!(order, [(1, 1), (1, 2), (2, 1)]);
    }

    #[test]
    fn equal_scores_come_newest_first() {
        let order = ranked(
            vec![
                candidate(event(1, 1, "Ada", "x"), [0, 0], None),
                candidate(event(3, 9, "Ada", "x"), [0, 0], None),
                candidate(event(2, 5, "Ada", "x"), [0, 0], None),
            ],
            &[],
            2,
        );
        assert_eq!(order, [(3, 9), (2, 5)]);
    }

    proptest! {
        #[test]
        fn there_are_k_results_when_there_are_k_candidates_and_scores_never_rise(
            rows in prop::collection::vec((0_u128..4, 0_i64..50, [0_i32..5, 0..5], prop::option::of(-1.0_f64..1.0)), 0..40),
            k in 1_usize..50,
        ) {
            let candidates: Vec<_> = rows
                .into_iter()
                .map(|(session, version, frequencies, similarity)| {
                    candidate(event(session, version, "Ada", "so?"), frequencies, similarity)
                })
                .collect();
            let expected = candidates.len().min(k);
            let corpus = Corpus { texts: 3, average_length: 0.0, texts_with: vec![2, 60] };
            let ranked = rank_events(Found { corpus, candidates }, &["Ada".to_owned()], k);
            prop_assert_eq!(ranked.len(), expected);
            prop_assert!(ranked.iter().all(|ranked| ranked.score.is_finite()));
            prop_assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
