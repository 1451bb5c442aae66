use std::collections::BTreeSet;

use domain::{Event, Memory};
use model::text;
use serde::{Deserialize, Serialize};

/// How many sentences are carried from one summary to the next because they say much.
const WEIGHTIEST: usize = 24;
/// The opening sentences are carried along: they often say what a conversation is about.
const OPENING: usize = 3;
/// And the latest, which say where it stands.
const LATEST: usize = 3;
/// How much of a sentence is kept, in bytes.
const LONGEST_SENTENCE: usize = 220;
/// The longest speaker's name, in characters.
const LONGEST_SPEAKER: usize = 60;

/// A sentence that a summary may quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// The message it comes from; 0 when it was taken over from a summary that names none.
    pub(crate) version: i64,
    /// Its place among the message's sentences.
    pub(crate) place: u32,
    /// Who said it; empty when nobody is named.
    pub(crate) speaker: String,
    pub(crate) text: String,
    /// How much it says by itself, in thousandths.
    pub(crate) weight: u32,
}

/// The sentences of a session that are worth carrying along.
///
/// Which ones these are follows from total orders alone, so gathering window after window comes to the same as
/// gathering everything at once, however the session was cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Candidates(Vec<Candidate>);

impl Candidates {
    /// What the current summary carries. One made by a language model carries none: its own sentences stand in.
    pub(crate) fn of_summary(summary: &Memory) -> Self {
        let carried =
            summary.data.get("sentences").and_then(|sentences| Vec::<Candidate>::deserialize(sentences).ok());
        Self(carried.unwrap_or_else(|| sentences_of(0, "", &summary.content)))
    }

    /// Adds what was said in some events and keeps what is worth keeping, in the order it was said.
    pub(crate) fn gather<'a>(self, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let said = events.into_iter().filter(|event| event.is_said());
        let mut all = self.0;
        for event in said {
            all.extend(sentences_of(event.version, event.speaker_or_role(), &event.content));
            if all.len() > 4 * WEIGHTIEST {
                all = worth_keeping(all);
            }
        }
        Self(worth_keeping(all))
    }

    pub(crate) fn as_slice(&self) -> &[Candidate] {
        &self.0
    }
}

fn sentences_of(version: i64, speaker: &str, content: &str) -> Vec<Candidate> {
    let speaker: String = speaker.trim().chars().take(LONGEST_SPEAKER).collect();
    let candidates: Vec<Candidate> = text::sentences(content)
        .into_iter()
        .filter(|sentence| sentence.chars().any(char::is_alphanumeric))
        .zip(0..)
        .map(|(sentence, place)| Candidate {
            version,
            place,
            speaker: speaker.clone(),
            weight: weight(sentence),
            text: clipped(sentence),
        })
        .collect();
    // A pasted document has more sentences than any summary can carry.
    if candidates.len() > 4 * WEIGHTIEST { worth_keeping(candidates) } else { candidates }
}

fn worth_keeping(mut all: Vec<Candidate>) -> Vec<Candidate> {
    all.sort_by_key(|candidate| (candidate.version, candidate.place));
    all.dedup_by_key(|candidate| (candidate.version, candidate.place));
    let mut by_weight: Vec<usize> = (0..all.len()).collect();
    by_weight.sort_by_key(|at| all.get(*at).map(|candidate| (std::cmp::Reverse(candidate.weight), *at)));
    let mut kept: BTreeSet<usize> = by_weight.into_iter().take(WEIGHTIEST).collect();
    kept.extend((0..all.len()).take(OPENING));
    kept.extend((0..all.len()).rev().take(LATEST));
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        kept.contains(&(at - 1))
    });
    all
}

/// A sentence with plain spaces, cut at a word.
fn clipped(sentence: &str) -> String {
    let piece = sentence.get(..sentence.floor_char_boundary(LONGEST_SENTENCE)).unwrap_or_default();
    let words = |piece: &str| piece.split_whitespace().collect::<Vec<_>>().join(" ");
    if piece.len() == sentence.len() {
        return words(piece);
    }
    let whole = piece.rsplit_once(char::is_whitespace).map_or(piece, |(whole, _)| whole);
    format!("{} …", words(whole))
}

const PLEASANTRIES: [&str; 39] = [
    "hi",
    "hey",
    "hello",
    "bye",
    "goodbye",
    "thanks",
    "thank",
    "welcome",
    "wow",
    "cool",
    "great",
    "awesome",
    "nice",
    "yes",
    "yeah",
    "yep",
    "sure",
    "ok",
    "okay",
    "right",
    "well",
    "oh",
    "please",
    "sorry",
    "congrats",
    "agree",
    "totally",
    "exactly",
    "haha",
    "lol",
    "good",
    "fine",
    "amazing",
    "lovely",
    "absolutely",
    "definitely",
    "glad",
    "luck",
    "no",
];

/// Words of plans and decisions, which a summary is read for.
const COMMITMENTS: [&str; 21] = [
    "will",
    "decided",
    "decide",
    "agreed",
    "need",
    "needs",
    "want",
    "wants",
    "plan",
    "plans",
    "planning",
    "must",
    "should",
    "i'll",
    "we'll",
    "going",
    "let's",
    "because",
    "problem",
    "suggest",
    "recommend",
];

/// How much a sentence says by itself, in thousandths: content words first; names and numbers, plans and decisions add;
/// questions, pleasantries and very long sentences take away.
fn weight(sentence: &str) -> u32 {
    let words: Vec<String> =
        text::words(sentence).map(|word| word.to_lowercase().replace('’', "'")).collect();
    let pleasantries = words.iter().filter(|word| PLEASANTRIES.contains(&word.as_str())).count();
    let stems: BTreeSet<String> = text::content_stems(sentence).collect();
    let content = stems.len().saturating_sub(pleasantries).min(12);
    let mut weight = 50 + 75 * u32::try_from(content).unwrap_or_default();
    let names = text::words(sentence).skip(1).any(|word| {
        let mut letters = word.chars();
        letters.next().is_some_and(|c| c.is_uppercase() || c.is_numeric()) && letters.next().is_some()
    });
    if names && content > 2 {
        weight += 100;
    }
    if words.iter().any(|word| COMMITMENTS.contains(&word.as_str())) {
        weight += 100;
    }
    if sentence.trim_end().ends_with(['?', '？', '؟']) {
        weight = weight * 3 / 5;
    }
    if content <= 2 && pleasantries > 0 {
        weight /= 4;
    }
    if words.len() > 45 {
        weight = weight * 7 / 10;
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_outweighs_a_question_and_a_question_a_greeting() {
        let statement = weight("I moved to Lisbon in March to work on solar boats.");
        let question = weight("Did you move to Lisbon in March to work on boats?");
        let greeting = weight("Hey, thanks, good to see you!");
        assert!(statement > question && question > greeting, "{statement} {question} {greeting}");
    }

    #[test]
    fn a_sentence_is_cut_at_a_word() {
        let long = "word ".repeat(100);
        let cut = clipped(&long);
        assert!(cut.len() <= LONGEST_SENTENCE + " …".len() && cut.ends_with("word …"));
        assert_eq!(clipped("a \n b"), "a b");
    }
}
