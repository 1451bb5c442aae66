use std::fmt;

use model::text;
use vader_sentimental::SentimentIntensityAnalyzer;

/// A tone in thousandths, from -1000 to 1000.
pub type Score = i64;

/// From here on a turn counts as positive, and from its negative on as negative; VADER's own bound.
pub(crate) const TONED: Score = 50;

/// VADER's rules are made for a tweet. What is longer is scored in pieces of this many bytes.
const PIECE_BYTES: usize = 280;
/// How much of one turn is scored, in bytes.
const LONGEST_TURN_BYTES: usize = 8 * 1024;

/// Scores turns by VADER's rules: Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
/// Social Media Text", 2014.
pub struct Scorer(SentimentIntensityAnalyzer<'static>);

impl Scorer {
    /// Reads the lexicon, once per process.
    pub fn new() -> Self {
        Self(SentimentIntensityAnalyzer::new())
    }

    /// The tone of a turn: VADER's compound score, and of a turn longer than a tweet the mean of its pieces', for the
    /// compound score of a long text says little but how long it is.
    pub fn score(&self, turn: &str) -> Score {
        let turn = turn.get(..turn.floor_char_boundary(LONGEST_TURN_BYTES)).unwrap_or_default();
        // The rules know "don't" with a typewriter's apostrophe only.
        let turn = turn.replace('’', "'");
        let pieces = pieces(&turn);
        let sum: Score = pieces.iter().map(|piece| self.compound(piece)).sum();
        mean(sum, pieces.len().try_into().unwrap_or(Score::MAX))
    }

    fn compound(&self, piece: &str) -> Score {
        thousandths(self.0.polarity_scores(piece).compound)
    }
}

impl Default for Scorer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scorer").finish_non_exhaustive()
    }
}

/// A score from -1 to 1 as it is counted. Rounding also hides the order in which the rules add up their terms.
pub(crate) fn thousandths(score: f64) -> Score {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between -1000 and 1000")]
    let whole = (score.clamp(-1.0, 1.0) * 1000.0).round() as Score;
    whole
}

/// The mean, rounded towards zero; 0 of nothing.
pub(crate) fn mean(sum: Score, count: i64) -> Score {
    sum.checked_div(count).unwrap_or_default()
}

/// A text as a whole where it is short, else as runs of whole sentences. A sentence that is too long is cut at a space
/// where it has one.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut run = 0..0;
    for sentence in text::sentence_spans(text) {
        if !run.is_empty() && sentence.end - run.start > PIECE_BYTES {
            cut(text.get(run.clone()).unwrap_or_default(), &mut pieces);
            run = 0..0;
        }
        run = if run.is_empty() { sentence } else { run.start..sentence.end };
    }
    cut(text.get(run).unwrap_or_default(), &mut pieces);
    pieces
}

fn cut<'a>(mut text: &'a str, pieces: &mut Vec<&'a str>) {
    while text.len() > PIECE_BYTES {
        let (most, _) = text.split_at(text.floor_char_boundary(PIECE_BYTES));
        let at = most.rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(most.len());
        let (piece, rest) = text.split_at(at);
        pieces.push(piece);
        text = rest;
    }
    if !text.trim().is_empty() {
        pieces.push(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn negation_emphasis_and_emoji_count() {
        let scorer = Scorer::new();
        let scores = [
            "The food was good.",
            "The food was not good.",
            "The food wasn’t good.",
            "The food was VERY good!!!",
            "The food was fine, but the waiter was horrible.",
            "😭",
            "We meet at nine.",
            "",
        ]
        .map(|turn| scorer.score(turn));
        insta::assert_compact_json_snapshot!(scores, @"[440, -341, -341, 727, -654, -477, 0, 0]");
    }

    #[test]
    fn a_long_turn_is_as_positive_as_its_sentences_and_no_more() {
        let scorer = Scorer::new();
        let short = scorer.score(&"It was a good day. ".repeat(14));
        let long = scorer.score(&"It was a good day. ".repeat(140));
        assert!((short - long).abs() < 50, "{short} {long}");
    }

    #[test]
    fn a_text_is_in_its_pieces() {
        let sentence = "word ".repeat(80);
        let text = format!("{sentence}. One. Two.");
        let pieces = pieces(&text);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES), "{pieces:?}");
        assert_eq!(pieces.concat().matches("word").count(), 80);
        assert_eq!(super::pieces("Short. And whole!"), ["Short. And whole!"]);
    }

    proptest! {
        #[test]
        fn every_text_has_a_score_within_bounds(text in "(\\PC|[a-z]{1,8} |not |GOOD |bad |kind of |\\. |\\n|!|😀){0,400}") {
            let score = Scorer::new().score(&text);
            prop_assert!((-1000..=1000).contains(&score));
        }
    }
}
