//! A long text in passages: the mean of all that was said in it is near to none of it, so each passage has a vector.

use std::ops::Range;

use super::{LONGEST_TEXT_BYTES, cut, unit};
use crate::{Embedder, Error, text};

/// A text of more bytes has passages. So much is what a small sentence transformer reads at once, 256 tokens of English.
const LONG_TEXT_BYTES: usize = 1024;
/// A passage is about as long as what people say in one turn: what a longer one says in passing is lost in it.
const PASSAGE_BYTES: usize = 160;
/// How many passages a text has at most; those of a very long text are longer.
const MOST_PASSAGES: usize = 64;

/// A text as vectors, each of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedText {
    /// The vector of a short text; of a long one the mean of its passages', each counting as much as it has bytes.
    pub vector: Vec<f32>,
    /// The passages of a long text, in order; a short one has none.
    pub passages: Vec<EmbeddedPassage>,
}

/// A passage of a long text.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedPassage {
    /// Where it is in the text.
    pub bytes: Range<usize>,
    /// Its vector, of length 1.
    pub vector: Vec<f32>,
}

impl Embedder {
    /// The vectors of each text, in the texts' order: of a text of at most 1 KiB one, of a longer one another for each of its
    /// passages, at most 64. What is beyond 16 KiB is not looked at.
    pub async fn embed_passages(&self, texts: &[&str]) -> Result<Vec<EmbeddedText>, Error> {
        let spans: Vec<Vec<Range<usize>>> = texts.iter().map(|text| passages(text)).collect();
        let parts: Vec<&str> = texts
            .iter()
            .zip(&spans)
            .flat_map(|(text, spans)| {
                let whole = spans.is_empty().then_some(*text);
                whole.into_iter().chain(spans.iter().filter_map(|span| text.get(span.clone())))
            })
            .collect();
        let mut vectors = self.embed(&parts).await?.into_iter();
        spans
            .into_iter()
            .enumerate()
            .map(|(at, spans)| {
                if spans.is_empty() {
                    let vector = vectors.next().ok_or_else(|| missing(at))?;
                    return Ok(EmbeddedText { vector, passages: Vec::new() });
                }
                let passages: Vec<EmbeddedPassage> = spans
                    .into_iter()
                    .zip(&mut vectors)
                    .map(|(bytes, vector)| EmbeddedPassage { bytes, vector })
                    .collect();
                Ok(EmbeddedText { vector: mean(at, &passages)?, passages })
            })
            .collect()
    }
}

fn missing(at: usize) -> Error {
    Error::Invalid(format!("text {at} has no vector"))
}

#[expect(clippy::cast_precision_loss, reason = "a passage has some hundred bytes")]
fn mean(at: usize, passages: &[EmbeddedPassage]) -> Result<Vec<f32>, Error> {
    let mut sum: Vec<f32> = Vec::new();
    for EmbeddedPassage { bytes, vector } in passages {
        sum.resize(vector.len(), 0.0);
        for (sum, x) in sum.iter_mut().zip(vector) {
            *sum += bytes.len() as f32 * x;
        }
    }
    if sum.iter().all(|x| *x == 0.0) {
        // They cancel each other out; what one of them says is as good as the mean.
        return Ok(passages.first().ok_or_else(|| missing(at))?.vector.clone());
    }
    unit(at, sum)
}

/// Where the passages of a long text are, in bytes and in order: whole sentences as many as fit, a sentence that is too long in
/// pieces between words. A short text has none.
fn passages(text: &str) -> Vec<Range<usize>> {
    if text.len() <= LONG_TEXT_BYTES {
        return Vec::new();
    }
    let text = cut(text);
    // Any two in a row are longer together, so there are at most 2 · length / longest + 1.
    let longest = PASSAGE_BYTES.max((2 * text.len()).div_ceil(MOST_PASSAGES - 1));
    let units = text::sentence_spans(text).into_iter().flat_map(|sentence| {
        if sentence.len() > longest { pieces(text, sentence, longest) } else { vec![sentence] }
    });
    let mut passages: Vec<Range<usize>> = Vec::new();
    for unit in units {
        match passages.last_mut() {
            Some(last) if unit.end - last.start <= longest => last.end = unit.end,
            _ => passages.push(unit),
        }
    }
    passages
}

/// A sentence in pieces of at most so many bytes, between words where there are any.
fn pieces(text: &str, sentence: Range<usize>, longest: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = sentence.start;
    while start < sentence.end {
        let rest = text.get(start..sentence.end).unwrap_or_default();
        if rest.len() <= longest {
            pieces.push(start..sentence.end);
            break;
        }
        let beginning = rest.get(..rest.floor_char_boundary(longest)).unwrap_or_default();
        let length = match beginning
            .rfind(char::is_whitespace)
            .map(|at| beginning.get(..at).unwrap_or_default().trim_end())
        {
            Some(words) if !words.is_empty() => words.len(),
            _ => beginning.len(),
        };
        pieces.push(start..start + length);
        let after = text.get(start + length..sentence.end).unwrap_or_default();
        start += length + (after.len() - after.trim_start().len());
    }
    pieces
}

const _: () = assert!(LONG_TEXT_BYTES < LONGEST_TEXT_BYTES && PASSAGE_BYTES < LONG_TEXT_BYTES);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn long() -> String {
        let said: Vec<String> =
            (0..40).map(|number| format!("This is what was said at place number{number}.")).collect();
        said.join(" ")
    }

    #[tokio::test]
    async fn a_short_text_is_embedded_as_ever_and_a_long_one_once_more_for_each_passage() {
        let long = long();
        let texts = ["Ada keeps bees.", long.as_str(), ""];
        let embedded = Embedder::BuiltIn.embed_passages(&texts).await.unwrap();
        let plain = Embedder::BuiltIn.embed(&texts).await.unwrap();
        assert_eq!((&embedded[0].vector, &embedded[2].vector), (&plain[0], &plain[2]));
        assert!(embedded[0].passages.is_empty() && embedded[2].passages.is_empty());
        let passages = &embedded[1].passages;
        assert!(passages.len() > 8, "{}", passages.len());
        for passage in passages {
            let said = long.get(passage.bytes.clone()).unwrap();
            assert!(
                said.starts_with("This") && said.ends_with('.') && said.len() <= PASSAGE_BYTES,
                "{said:?}"
            );
            assert_eq!(vec![passage.vector.clone()], Embedder::BuiltIn.embed(&[said]).await.unwrap());
        }
        let length: f32 = embedded[1].vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-4);
    }

    #[test]
    fn a_long_sentence_is_taken_apart_between_words_and_what_has_none_anywhere() {
        let words = "bees ".repeat(300);
        for passage in passages(&words) {
            let said = words.get(passage).unwrap();
            assert!(said.starts_with("bees") && said.ends_with("bees"), "{said:?}");
        }
        let unbroken = "é".repeat(700);
        assert_eq!(passages(&unbroken).iter().map(Range::len).sum::<usize>(), unbroken.len());
    }

    #[test]
    fn opposites_have_a_mean_too() {
        let passage = |x: f32| EmbeddedPassage { bytes: 0..10, vector: vec![x, 0.0] };
        assert_eq!(mean(0, &[passage(1.0), passage(-1.0)]).unwrap(), [1.0, 0.0]);
    }

    proptest! {
        #[test]
        fn passages_hold_everything_that_is_said_in_order_and_are_few_and_short(
            text in "([a-zé漢]{1,40}[ .\n]{1,3}|\\PC{0,300}|x{0,900}| {0,50}){0,120}",
        ) {
            let found = passages(&text);
            if text.len() <= LONG_TEXT_BYTES {
                prop_assert!(found.is_empty());
                return Ok(());
            }
            let read = cut(&text);
            prop_assert!(found.len() <= MOST_PASSAGES);
            let mut before = 0;
            for Range { start, end } in found {
                prop_assert!(before <= start && start < end);
                prop_assert!(read.get(before..start).unwrap().trim().is_empty());
                prop_assert!(end - start <= PASSAGE_BYTES.max(2 * LONGEST_TEXT_BYTES / (MOST_PASSAGES - 1) + 1));
                before = end;
            }
            prop_assert!(read.get(before..).unwrap().trim().is_empty());
        }
    }
}
