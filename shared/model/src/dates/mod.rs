//! Dates in a text, absolute and relative, resolved against the day it was said.
//!
//! Conventions, where English leaves a choice: weeks run from Monday; "last Friday" is the Friday before the day it is
//! said; "next Friday" is the Friday of the next week; seasons are those of the northern hemisphere; a day or month
//! without a year is the last one in a sentence about the past, the next one in a sentence about the future, and else
//! the nearest. `5/7/2023` is read month first unless that is impossible.

mod calendar;
mod expression;
mod period;

use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;

use crate::tokens::{Token, tokens};
use expression::Reader;
use period::Tense;
pub use period::{Granularity, Period};

/// A date where it stands in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct DateMention {
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// What it resolves to.
    pub period: Period,
    /// Whether it can only be read against the day it was said.
    pub relative: bool,
    /// How sure the rules are, 0 to 1.
    pub confidence: f32,
}

/// The dates of one sentence said on a day, in order, without overlaps.
pub fn dates(sentence: &str, said: Date) -> Vec<DateMention> {
    dates_among(sentence, &tokens(sentence), said)
}

/// The same for the words of one sentence of a text, which have been told apart already; spans are those of the text.
pub fn dates_among(text: &str, tokens: &[Token<'_>], said: Date) -> Vec<DateMention> {
    dates_in_tense(text, tokens, said, tense(tokens))
}

/// The same for a sentence about what is to come, whatever its words show: a deadline lies ahead.
pub fn dates_ahead_among(text: &str, tokens: &[Token<'_>], said: Date) -> Vec<DateMention> {
    dates_in_tense(text, tokens, said, Tense::Future)
}

fn dates_in_tense(text: &str, tokens: &[Token<'_>], said: Date, tense: Tense) -> Vec<DateMention> {
    let mut mentions = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let reader = Reader { text, tokens, at, said, tense };
        let Some(found) = reader.read() else {
            at += 1;
            continue;
        };
        let words = tokens.get(at..at + found.length).unwrap_or_default();
        if let (Some(first), Some(last)) = (words.first(), words.last()) {
            mentions.push(DateMention {
                span: first.start..last.end,
                period: found.period,
                relative: found.relative,
                confidence: found.confidence,
            });
        }
        at += found.length.max(1);
    }
    mentions
}

/// The day of a message where it was said: in the time zone its payload names, else UTC.
pub fn said_on(occurred_at: Timestamp, payload: &Value) -> Date {
    said_at(occurred_at, payload).date()
}

/// The time of a message where it was said: in the time zone its payload names, else UTC.
pub fn said_at(occurred_at: Timestamp, payload: &Value) -> Zoned {
    let named = ["timezone", "time_zone", "tz"].iter().find_map(|field| payload.get(field)?.as_str());
    let zone = named.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    occurred_at.to_zoned(zone)
}

const OF_THE_FUTURE: [&str; 18] = [
    "will", "gonna", "going", "plan", "plans", "planning", "upcoming", "soon", "shall", "won't", "hope",
    "hoping", "until", "till", "due", "booked", "can't", "tomorrow",
];

const OF_THE_PAST: [&str; 34] = [
    "was", "were", "went", "had", "did", "got", "made", "took", "came", "saw", "said", "told", "bought",
    "met", "been", "since", "found", "won", "lost", "gave", "left", "ran", "ate", "wrote", "born", "began",
    "became", "felt", "didn't", "wasn't", "yesterday", "spent", "held", "thought",
];

/// Whether a sentence speaks of the past or of the future, as far as its words show.
fn tense(tokens: &[Token<'_>]) -> Tense {
    let words = || tokens.iter().map(|token| token.lower.as_str());
    let future =
        words().any(|word| OF_THE_FUTURE.contains(&word) || word.ends_with("'ll") || word.ends_with("’ll"));
    let past = words().any(|word| OF_THE_PAST.contains(&word) || (word.len() >= 5 && word.ends_with("ed")));
    match (past, future) {
        (true, false) => Tense::Past,
        (false, true) => Tense::Future,
        _ => Tense::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn resolved(said: Date, sentences: &[&str]) -> String {
        let mut table = String::new();
        for sentence in sentences {
            let found: Vec<String> = dates(sentence, said)
                .iter()
                .map(|mention| {
                    format!("[{}] {}", sentence.get(mention.span.clone()).unwrap(), mention.period.iso())
                })
                .collect();
            writeln!(table, "{sentence} -> {}", found.join(", ")).unwrap();
        }
        table
    }

    /// Monday, 8 May 2023.
    const MONDAY: Date = date(2023, 5, 8);

    #[test]
    fn days_near_the_message() {
        insta::assert_snapshot!(resolved(MONDAY, &[
            "I went to the group yesterday.",
            "See you tomorrow night, not today",
            "The day before yesterday and the day after tomorrow",
            "Last night was fun",
            "This morning we ran",
            "3 days ago I fell",
            "A couple of weeks ago we met",
            "We leave in two weeks",
            "They moved in 2 weeks",
            "a year ago, about three months ago",
            "ten days from now",
        ]), @r"
        I went to the group yesterday. -> [yesterday] 2023-05-07
        See you tomorrow night, not today -> [tomorrow] 2023-05-09, [today] 2023-05-08
        The day before yesterday and the day after tomorrow -> [day before yesterday] 2023-05-06, [day after tomorrow] 2023-05-10
        Last night was fun -> [Last night] 2023-05-07
        This morning we ran -> [This morning] 2023-05-08
        3 days ago I fell -> [3 days ago] 2023-05-05
        A couple of weeks ago we met -> [A couple of weeks ago] 2023-W17
        We leave in two weeks -> [in two weeks] 2023-W21
        They moved in 2 weeks -> 
        a year ago, about three months ago -> [a year ago] 2022, [about three months ago] 2023-02
        ten days from now -> [ten days from now] 2023-05-18
        ");
    }

    #[test]
    fn weekdays_and_calendar_units() {
        insta::assert_snapshot!(resolved(MONDAY, &[
            "Last Friday we ran",
            "next Friday",
            "this Friday works",
            "I met her on Friday",
            "Let's meet on Friday",
            "Friday last week, Tuesday next week",
            "the sun is up and she sat down on sunday",
            "last week, this week, next week",
            "this past weekend, next weekend, last weekend",
            "I read over the weekend",
            "last month, next month, this year, last year",
            "last summer, this summer, next winter",
            "last May, next June",
            "the past few days",
        ]), @r"
        Last Friday we ran -> [Last Friday] 2023-05-05
        next Friday -> [next Friday] 2023-05-19
        this Friday works -> [this Friday] 2023-05-12
        I met her on Friday -> [on Friday] 2023-05-05
        Let's meet on Friday -> [on Friday] 2023-05-12
        Friday last week, Tuesday next week -> [Friday last week] 2023-05-05, [Tuesday next week] 2023-05-16
        the sun is up and she sat down on sunday -> [on sunday] 2023-05-14
        last week, this week, next week -> [last week] 2023-W18, [this week] 2023-W19, [next week] 2023-W20
        this past weekend, next weekend, last weekend -> [this past weekend] 2023-05-06/2023-05-07, [next weekend] 2023-05-20/2023-05-21, [last weekend] 2023-05-06/2023-05-07
        I read over the weekend -> [the weekend] 2023-05-06/2023-05-07
        last month, next month, this year, last year -> [last month] 2023-04, [next month] 2023-06, [this year] 2023, [last year] 2022
        last summer, this summer, next winter -> [last summer] 2022-06-01/2022-08-31, [this summer] 2023-06-01/2023-08-31, [next winter] 2023-12-01/2024-02-29
        last May, next June -> [last May] 2022-05, [next June] 2023-06
        the past few days ->
        ");
    }

    #[test]
    fn calendar_dates() {
        insta::assert_snapshot!(resolved(MONDAY, &[
            "It is 2023-05-07T10:00, 07.05.2023, 5/7/2023, 25/12/2022",
            "May 7, 2023 or 7 May 2023 or the 7th of May",
            "on December 24th we will travel",
            "on December 24th we travelled",
            "We started in March 2021 and stopped in 2022",
            "I may go in may, in May, or march on",
            "the summer of 2022",
            "see you on the 5th",
            "on the 5th floor",
            "February 30, 32 May, 0 June",
            "Christmas, New Year's Eve and Valentine's Day",
            "room 2023, 1999 people, Monday-Friday, 10/12",
        ]), @r"
        It is 2023-05-07T10:00, 07.05.2023, 5/7/2023, 25/12/2022 -> [2023-05-07T10] 2023-05-07, [07.05.2023] 2023-05-07, [5/7/2023] 2023-05-07, [25/12/2022] 2022-12-25
        May 7, 2023 or 7 May 2023 or the 7th of May -> [May 7, 2023] 2023-05-07, [7 May 2023] 2023-05-07, [7th of May] 2023-05-07
        on December 24th we will travel -> [December 24th] 2023-12-24
        on December 24th we travelled -> [December 24th] 2022-12-24
        We started in March 2021 and stopped in 2022 -> [March 2021] 2021-03, [2022] 2022
        I may go in may, in May, or march on -> [May] 2023-05
        the summer of 2022 -> [summer of 2022] 2022-06-01/2022-08-31
        see you on the 5th -> [on the 5th] 2023-06-05
        on the 5th floor -> 
        February 30, 32 May, 0 June -> 
        Christmas, New Year's Eve and Valentine's Day -> [Christmas] 2022-12-25, [New Year's Eve] 2022-12-31, [Valentine's Day] 2023-02-14
        room 2023, 1999 people, Monday-Friday, 10/12 ->
        ");
    }

    #[test]
    fn the_edges_of_the_calendar_are_no_dates() {
        assert!(dates("yesterday, last week, 900 years ago", Date::MIN).is_empty());
        assert!(dates("tomorrow, in 900 years", Date::MAX).is_empty());
    }

    proptest! {
        #[test]
        fn no_sentence_panics(
            words in prop::collection::vec(prop_oneof![
                Just("last"), Just("next"), Just("in"), Just("the"), Just("May"), Just("7th"), Just("2023"), Just("Friday"),
                Just("ago"), Just("weeks"), Just("1000"), Just("of"), Just("on"), Just("/"), Just("summer"), Just("é😀"),
            ], 0..12),
            said in -700_000_i32..2_900_000,
        ) {
            let said = date(1970, 1, 1).saturating_add(jiff::Span::new().days(said));
            let sentence = words.join(" ");
            for mention in dates(&sentence, said) {
                prop_assert!(mention.period.start <= mention.period.end);
                prop_assert!(sentence.get(mention.span).is_some());
            }
        }
    }
}
