use std::ops::Range;

use domain::Event;
use jiff::civil::Date;
use model::dates::{DateMention, dates_ahead_among, said_on};
use model::text;
use model::tokens::{Token, tokens};

/// How many sentences of a message are read; a pasted document has more.
const MOST_SENTENCES: usize = 400;

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Spaces, or the start of the sentence.
    Space,
    Comma,
    /// Another mark: a colon, a dash, a bracket, a quotation mark.
    Break,
}

/// A word of a sentence, in lower case, with plain apostrophes; "it's" and "Ada's" without their ending.
#[derive(Debug, Clone)]
pub(crate) struct Word<'a> {
    pub(crate) lower: String,
    pub(crate) token: &'a Token<'a>,
    pub(crate) gap: Gap,
}

/// A sentence of a message, with its words and dates.
#[derive(Debug)]
pub(crate) struct Sentence<'a> {
    /// The whole message.
    pub(crate) message: &'a str,
    pub(crate) span: Range<usize>,
    pub(crate) words: Vec<Word<'a>>,
    /// Read as lying ahead, as deadlines do.
    pub(crate) dates: Vec<DateMention>,
    pub(crate) said_on: Date,
}

impl Sentence<'_> {
    pub(crate) fn text(&self) -> &str {
        self.message.get(self.span.clone()).unwrap_or_default()
    }

    pub(crate) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.lower.as_str())
    }

    /// Whether these words stand from a place on, with nothing but spaces and commas between them.
    pub(crate) fn has(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, wanted)| {
            self.words
                .get(at + offset)
                .is_some_and(|word| word.lower == *wanted && (offset == 0 || word.gap != Gap::Break))
        })
    }

    /// Whether a clause starts at a word: the sentence does, or a mark stands before it.
    pub(crate) fn opens(&self, at: usize) -> bool {
        at == 0 || self.words.get(at).is_some_and(|word| word.gap != Gap::Space)
    }

    /// Whether it ends in a question mark.
    pub(crate) fn asks(&self) -> bool {
        let end =
            self.text().trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '?' | '？' | '؟'));
        end.ends_with(['?', '？', '؟'])
    }

    /// Whether a word is part of a date.
    pub(crate) fn is_date(&self, at: usize) -> bool {
        let Some(word) = self.words.get(at) else { return false };
        let next = self.dates.partition_point(|date| date.span.end <= word.token.start);
        self.dates.get(next).is_some_and(|date| date.span.start < word.token.end)
    }
}

/// The sentences of what was said in an event. Takes time linear in it.
pub(crate) fn with_sentences<T>(event: &Event, read: impl FnOnce(&[Sentence<'_>]) -> T) -> T {
    let tokens = tokens(&event.content);
    let said_on = said_on(event.occurred_at, &event.payload);
    let sentences: Vec<Sentence<'_>> = text::sentence_spans(&event.content)
        .into_iter()
        .take(MOST_SENTENCES)
        .map(|span| sentence(&event.content, &tokens, span, said_on))
        .collect();
    read(&sentences)
}

fn sentence<'a>(
    message: &'a str,
    tokens: &'a [Token<'a>],
    span: Range<usize>,
    said_on: Date,
) -> Sentence<'a> {
    let first = tokens.partition_point(|token| token.start < span.start);
    let end = tokens.partition_point(|token| token.start < span.end);
    let tokens = tokens.get(first..end).unwrap_or_default();
    let mut before = span.start;
    let words = tokens
        .iter()
        .map(|token| {
            let gap = gap(message.get(before..token.start).unwrap_or_default());
            before = token.end;
            Word { lower: token.lower.replace('’', "'"), token, gap }
        })
        .collect();
    Sentence { message, span, words, dates: dates_ahead_among(message, tokens, said_on), said_on }
}

fn gap(between: &str) -> Gap {
    let marks = between.trim_start_matches(['\'', '’']).trim_start_matches(['s', 'S']);
    if marks.contains([':', ';', '(', ')', '"', '“', '”', '—', '–', '-', '?', '!', '…', '.', '*', '•'])
    {
        Gap::Break
    } else if marks.contains(',') {
        Gap::Comma
    } else {
        Gap::Space
    }
}
