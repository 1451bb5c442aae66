use std::ops::Range;

use jiff::civil::{Date, Weekday};
use model::dates::Granularity;

use crate::sentence::Sentence;

/// A day by which something is due, and the words that say so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    /// The last day of the period that is named; the day before it for "before May".
    pub(crate) day: Date,
    /// Its words within the sentence.
    pub(crate) words: Range<usize>,
}

/// The first day named among some words of a sentence that has not passed when it is said.
pub(crate) fn due(sentence: &Sentence<'_>, words: Range<usize>) -> Option<Due> {
    let ended = words.clone().find_map(|at| end_of(sentence, at, words.end));
    let begins = sentence.words.get(words.start).map_or(0, |word| word.token.start);
    let first = sentence.dates.partition_point(|date| date.span.end <= begins);
    let ends =
        words.end.checked_sub(1).and_then(|at| sentence.words.get(at)).map_or(0, |word| word.token.end);
    let mut named = sentence.dates.iter().skip(first).take_while(|date| date.span.start < ends);
    let dated = named.find_map(|date| {
        let starts = sentence.words.partition_point(|word| word.token.end <= date.span.start);
        let end = sentence.words.partition_point(|word| word.token.start < date.span.end);
        if starts < words.start || end > words.end || date.period.end < sentence.said_on {
            return None;
        }
        let before = starts.checked_sub(1).map_or("", |at| sentence.word(at));
        let is_exclusive = before == "before" && date.period.granularity != Granularity::Day;
        let day = if is_exclusive { date.period.start.yesterday().ok()? } else { date.period.end };
        Some(Due { day, words: introduced(sentence, words.start, starts)..end })
    });
    match (ended, dated) {
        (Some(ended), Some(dated)) if dated.words.start < ended.words.start => Some(dated),
        (Some(ended), _) => Some(ended),
        (None, dated) => dated,
    }
}

/// Where the words that introduce a date begin: "by the", "sometime on".
fn introduced(sentence: &Sentence<'_>, first: usize, mut at: usize) -> usize {
    const INTRODUCTIONS: [&str; 15] = [
        "by", "on", "before", "until", "till", "for", "at", "the", "from", "in", "no", "later", "than",
        "sometime", "latest",
    ];
    while at > first && INTRODUCTIONS.contains(&sentence.word(at - 1)) {
        at -= 1;
    }
    at
}

/// "by the end of the month", "by end of day", "eod".
fn end_of(sentence: &Sentence<'_>, at: usize, last: usize) -> Option<Due> {
    let said = sentence.said_on;
    let (unit, end) = match sentence.word(at) {
        "eod" => ("day", at + 1),
        "eow" => ("week", at + 1),
        "eom" => ("month", at + 1),
        "end" if sentence.word(at + 1) == "of" => {
            let unit = if matches!(sentence.word(at + 2), "the" | "this") { at + 3 } else { at + 2 };
            (sentence.word(unit), unit + 1)
        }
        _ => return None,
    };
    let day = match unit {
        "day" | "today" => said,
        "week" => {
            let left = said.weekday().until(Weekday::Sunday);
            (0..left).try_fold(said, |day, _| day.tomorrow().ok())?
        }
        "month" => said.last_of_month(),
        "year" => said.last_of_year(),
        _ => return None,
    };
    (end <= last).then(|| Due { day, words: introduced(sentence, 0, at)..end })
}
