use std::collections::{BTreeMap, BTreeSet};

use model::text;

use crate::candidates::Candidate;

/// How much a summary quotes, in characters, speakers' names included.
const LONGEST_QUOTED: usize = 500;
/// The most sentences of a summary.
const MOST_SENTENCES: usize = 5;
/// One sentence for so many that were said, as long as that is between two and the most.
const SENTENCES_PER_CHOICE: usize = 4;
/// The sentences that open a conversation more often say what it is about.
const OPENING: usize = 3;
/// A sentence below this weight is quoted only when there is nothing else.
const LEAST_WEIGHT: u32 = 250;
/// The longest word of a title, in characters.
const LONGEST_WORD: usize = 30;
/// How many words make a title.
const WORDS_OF_A_TITLE: usize = 3;

/// What a summary quotes, and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extract {
    /// Indexes of the chosen candidates, in the order they were said.
    pub(crate) chosen: Vec<usize>,
    pub(crate) title: String,
}

/// Chooses the sentences that together say most: each by its own weight, by how much of the rest it stands for, by
/// where it stands, and by what the sentences chosen before it have not said.
pub(crate) fn extract(candidates: &[Candidate]) -> Extract {
    let documents: Vec<BTreeMap<String, f64>> = candidates
        .iter()
        .map(|candidate| {
            let mut counts = BTreeMap::new();
            for stem in text::content_stems(&candidate.text) {
                *counts.entry(stem).or_insert(0.0) += 1.0;
            }
            counts
        })
        .collect();
    let frequency = document_frequency(&documents);
    let vectors: Vec<BTreeMap<String, f64>> =
        documents.into_iter().map(|document| weighted(document, &frequency, candidates.len())).collect();
    let centre = centroid(&vectors);

    let merit: Vec<f64> = candidates
        .iter()
        .zip(&vectors)
        .enumerate()
        .map(|(at, (candidate, vector))| {
            let opening = if at < OPENING { 2.0 } else { 1.0 };
            f64::from(candidate.weight) / 1000.0 * (0.3 + cosine(vector, &centre)) * opening
        })
        .collect();
    let wanted = (candidates.len() / SENTENCES_PER_CHOICE).clamp(2, MOST_SENTENCES);
    let mut chosen = choose(candidates, &vectors, &merit, wanted);
    chosen.sort_unstable();
    let title = title(candidates, &merit);
    Extract { chosen, title }
}

/// The summary in words: who talked about what, and the chosen sentences in the order they were said.
pub(crate) fn in_words(candidates: &[Candidate], extract: &Extract) -> String {
    let mut words = about(candidates, &extract.title);
    let mut speaker = "";
    for candidate in extract.chosen.iter().filter_map(|at| candidates.get(*at)) {
        if !words.is_empty() {
            words.push(' ');
        }
        if candidate.speaker != speaker && !candidate.speaker.is_empty() {
            speaker = &candidate.speaker;
            words.push_str(speaker);
            words.push_str(": ");
        }
        words.push_str(&candidate.text);
    }
    words
}

/// "Ada and Alan talk about boats, Lisbon."
fn about(candidates: &[Candidate], title: &str) -> String {
    let mut speakers: Vec<&str> = Vec::new();
    for candidate in candidates.iter().filter(|candidate| !candidate.speaker.is_empty()) {
        if !speakers.contains(&candidate.speaker.as_str()) {
            speakers.push(&candidate.speaker);
        }
    }
    if title.is_empty() {
        return String::new();
    }
    match speakers.as_slice() {
        [] => String::new(),
        [one] => format!("{one} talks about {title}."),
        [one, other] => format!("{one} and {other} talk about {title}."),
        [one, other, ..] => format!("{one}, {other} and others talk about {title}."),
    }
}

fn choose(
    candidates: &[Candidate],
    vectors: &[BTreeMap<String, f64>],
    merit: &[f64],
    wanted: usize,
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut length = 0;
    let mut left: BTreeSet<usize> = (0..candidates.len()).collect();
    while chosen.len() < wanted {
        let gain = |at: usize| {
            let vector = vectors.get(at)?;
            let told = chosen
                .iter()
                .filter_map(|other| vectors.get(*other))
                .map(|other| cosine(vector, other))
                .fold(0.0, f64::max);
            Some(merit.get(at)? * (1.0 - 0.7 * told))
        };
        // Of equals the earlier: `max_by` keeps the last of them.
        let best = left
            .iter()
            .rev()
            .copied()
            .max_by(|a, b| gain(*a).unwrap_or_default().total_cmp(&gain(*b).unwrap_or_default()));
        let Some(best) = best else { break };
        left.remove(&best);
        let Some(candidate) = candidates.get(best) else { break };
        if candidate.weight < LEAST_WEIGHT && !chosen.is_empty() {
            continue;
        }
        let added = candidate.text.chars().count() + candidate.speaker.chars().count() + 3;
        if length + added > LONGEST_QUOTED {
            continue;
        }
        length += added;
        chosen.push(best);
    }
    chosen
}

/// The words that the weightiest sentences share, as they are written most often.
fn title(candidates: &[Candidate], merit: &[f64]) -> String {
    let mut terms: BTreeMap<String, (f64, BTreeMap<String, usize>)> = BTreeMap::new();
    let speakers: BTreeSet<String> = candidates
        .iter()
        .flat_map(|candidate| text::words(&candidate.speaker))
        .map(|word| text::stem(&word.to_lowercase()))
        .collect();
    for (candidate, merit) in candidates.iter().zip(merit) {
        let mut seen = BTreeSet::new();
        for (at, word) in text::words(&candidate.text).enumerate() {
            let lower = word.to_lowercase();
            // A capital at the start of a sentence is not the word's own.
            let word = if at == 0 { lower.clone() } else { word.to_owned() };
            let word = ["'s", "’s"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(&word);
            let stem = text::stem(&lower);
            if !(3..=LONGEST_WORD).contains(&lower.chars().count())
                || text::is_stop_word(&lower)
                || speakers.contains(&stem)
            {
                continue;
            }
            let (sum, spellings) = terms.entry(stem.clone()).or_default();
            *spellings.entry(word.to_owned()).or_default() += 1;
            if seen.insert(stem) {
                *sum += merit;
            }
        }
    }
    let mut best: Vec<(f64, &str)> = terms
        .values()
        .filter_map(|(sum, spellings)| {
            let (word, _) =
                spellings.iter().max_by_key(|(word, count)| (**count, std::cmp::Reverse(*word)))?;
            Some((*sum, word.as_str()))
        })
        .collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    best.into_iter().take(WORDS_OF_A_TITLE).map(|(_, word)| word).collect::<Vec<_>>().join(", ")
}

fn document_frequency(documents: &[BTreeMap<String, f64>]) -> BTreeMap<String, f64> {
    let mut frequency = BTreeMap::new();
    for stem in documents.iter().flat_map(BTreeMap::keys) {
        *frequency.entry(stem.clone()).or_insert(0.0) += 1.0;
    }
    frequency
}

/// Square roots in place of logarithms: exact on every platform, and as good at damping.
fn weighted(
    document: BTreeMap<String, f64>,
    frequency: &BTreeMap<String, f64>,
    documents: usize,
) -> BTreeMap<String, f64> {
    let documents = f64::from(u32::try_from(documents).unwrap_or(u32::MAX));
    document
        .into_iter()
        .map(|(stem, count)| {
            let rarity = (documents / frequency.get(&stem).copied().unwrap_or(1.0)).sqrt();
            (stem, count.sqrt() * rarity)
        })
        .collect()
}

fn centroid(vectors: &[BTreeMap<String, f64>]) -> BTreeMap<String, f64> {
    let mut centre = BTreeMap::new();
    for (stem, value) in vectors.iter().flatten() {
        *centre.entry(stem.clone()).or_insert(0.0) += value;
    }
    centre
}

fn cosine(a: &BTreeMap<String, f64>, b: &BTreeMap<String, f64>) -> f64 {
    let dot: f64 = a.iter().filter_map(|(stem, value)| Some(value * b.get(stem)?)).sum();
    let length =
        |vector: &BTreeMap<String, f64>| vector.values().map(|value| value * value).sum::<f64>().sqrt();
    let lengths = length(a) * length(b);
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}
