//! What a text says by itself: the question's words in it and the likeness of its meaning.

use std::collections::BTreeMap;

use store::{Candidate, Corpus, Found};

use super::super::question::base;
use super::Parts;

/// Saturation of a word's frequency in BM25 (Robertson and Zaragoza, 2009).
const BM25_K1: f64 = 1.2;
/// How much BM25 discounts long texts.
const BM25_B: f64 = 0.5;

/// With so many texts, the mean of their likeness is believed by half.
const FEW_TEXTS: f64 = 10.0;

/// What embeddings know, and so how they go together with words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Blend {
    /// How much of what a text says by itself is its embedding; the words are the rest.
    similarity: f64,
    /// The least share of the question's words that is all of the part `words`. Where even the best candidate has fewer, they
    /// say less, because what is meant is said in other words; an embedder that does not know them cannot tell.
    expected: f64,
    /// Whether it is seen by the scores how far conversations stay with their subject. By words alone it is not: most
    /// turns have none of the question's.
    pub(super) sees_coherence: bool,
}

impl Blend {
    /// Embeddings of a model know what words mean: they count more than the words.
    pub(crate) const MEANING: Self = Self { similarity: 0.6, expected: 0.5, sees_coherence: true };
    /// Hashed words see the same words again, and beyond them only other endings and typing errors.
    pub(crate) const SPELLING: Self = Self { similarity: 0.1, expected: 0.0, sees_coherence: false };

    /// The blend for vectors of an embedder.
    pub(crate) const fn of(embedder: &model::Embedder) -> Self {
        if embedder.knows_meaning() { Self::MEANING } else { Self::SPELLING }
    }
}

/// The words and the embedding of each candidate, in the candidates' order; together 0 to 1. A candidate without an
/// embedding is its words alone.
pub(crate) fn own_parts<T>(found: &Found<T>, blend: Blend) -> Vec<Parts> {
    let words: Vec<f64> = found.candidates.iter().map(|candidate| words(&found.corpus, candidate)).collect();
    let usual = usual_similarity(&found.corpus);
    let similarity: Vec<Option<f64>> = found
        .candidates
        .iter()
        .map(|candidate| candidate.similarity.map(|similarity| (similarity - usual).max(0.0)))
        .collect();
    let most_words = most(words.iter().copied()).max(blend.expected * weight(&found.corpus));
    let most_similarity = most(similarity.iter().copied().flatten());
    words
        .into_iter()
        .zip(similarity)
        .map(|(words, similarity)| {
            let words = share(words, most_words);
            match similarity {
                Some(similarity) => Parts {
                    words: (1.0 - blend.similarity) * words,
                    similarity: blend.similarity * share(similarity, most_similarity),
                    ..Parts::default()
                },
                None => Parts { words, ..Parts::default() },
            }
        })
        .collect()
}

/// The likeness that any text has with the question, by the way of the model; only what is above it says something. A few
/// texts may well all be about the question, so the mean counts in full only where there are many.
#[expect(clippy::cast_precision_loss, reason = "counts of a user's texts are far below 2^52")]
fn usual_similarity(corpus: &Corpus) -> f64 {
    let texts = corpus.texts as f64;
    corpus.average_similarity * texts / (texts + FEW_TEXTS)
}

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

fn share(value: f64, most: f64) -> f64 {
    if most > 0.0 { value / most } else { 0.0 }
}

/// The words of a candidate. Those of a long one are many for all that it says besides, so its nearest passage counts where it has
/// more of the question's for its length.
fn words<T>(corpus: &Corpus, candidate: &Candidate<T>) -> f64 {
    let whole = bm25(corpus, candidate.length, &candidate.frequencies);
    candidate
        .passage
        .as_ref()
        .map_or(whole, |passage| whole.max(bm25(corpus, passage.length, &passage.frequencies)))
}

/// Okapi BM25 of a text, with the never negative form of the inverse document frequency.
fn bm25(corpus: &Corpus, length: i32, frequencies: &[i32]) -> f64 {
    let length = if corpus.average_length > 0.0 { f64::from(length) / corpus.average_length } else { 1.0 };
    let norm = BM25_K1 * (1.0 - BM25_B + BM25_B * length);
    frequencies
        .iter()
        .zip(&corpus.texts_with)
        .map(|(frequency, texts_with)| {
            let frequency = f64::from(*frequency);
            rarity(corpus, *texts_with) * frequency * (BM25_K1 + 1.0) / (frequency + norm)
        })
        .sum()
}

/// The inverse document frequency of a word that so many texts have.
#[expect(clippy::cast_precision_loss, reason = "counts of a user's texts are far below 2^52")]
fn rarity(corpus: &Corpus, texts_with: i64) -> f64 {
    let (texts, texts_with) = (corpus.texts as f64, texts_with as f64);
    (1.0 + (texts - texts_with + 0.5) / (texts_with + 0.5)).ln()
}

/// About what a text of usual length would have that says each of the question's words once, in its commonest form.
fn weight(corpus: &Corpus) -> f64 {
    let mut words: BTreeMap<&str, i64> = BTreeMap::new();
    for (word, texts_with) in corpus.words.iter().zip(&corpus.texts_with) {
        let commonest = words.entry(base(word)).or_default();
        *commonest = (*commonest).max(*texts_with);
    }
    words.values().map(|texts_with| rarity(corpus, *texts_with)).sum()
}
