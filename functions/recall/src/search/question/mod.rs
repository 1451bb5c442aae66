//! What a question asks for: about what, of whom, of when.

mod first_person;
mod forms;

use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use model::{dates, text};
use store::RecalledEvent;

use self::first_person::{Word, first_person};
pub(crate) use self::forms::{base, past_forms};
use super::kind::Kind;

/// A month or a day without a year is any of this year and so many before it.
const YEARS_BACK: i32 = 10;
/// Roles that a question may name where nobody's name is known.
const ROLES: [(&str, &[&str]); 2] = [
    ("user", &["user", "i", "me", "my", "mine", "i'm", "i've", "i'd"]),
    ("assistant", &["assistant", "you", "your", "yours"]),
];

/// A question, read against who takes part in the conversations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Subject {
    /// What its words are searched by: the question without the names of speakers, and the forms its words also have. Who is
    /// asked about has mostly *said* the answer, and a search for the name finds those who mention it instead. The whole
    /// question where nothing else is left.
    pub(crate) words: String,
    /// What its meaning is searched by: the question as the speaker it names would ask it themselves ("How have I been
    /// sleeping?"), without names where it names several.
    pub(crate) meaning: String,
    /// The speakers it names.
    pub(crate) named: Vec<String>,
    /// The role it names, where it names no speaker and only one role: `I` is the user, `you` the assistant.
    pub(crate) role: Option<&'static str>,
    /// The times it names, each from its first moment to the first after it, in the time zone UTC.
    pub(crate) times: Vec<Range<Timestamp>>,
    /// Whether it asks when something was.
    pub(crate) asks_when: bool,
    /// The kinds of things it asks for.
    pub(crate) kinds: Vec<Kind>,
}

impl Subject {
    /// Reads a question asked on a day. A speaker is named by the whole name or one of its words, in any case, possessive
    /// or not.
    pub(crate) fn read(query: &str, speakers: &[String], today: Date) -> Self {
        let mut named: Vec<String> = Vec::new();
        let mut subject = String::with_capacity(query.len());
        let mut kept = 0;
        let mut words = Vec::new();
        for (at, word) in text::word_positions(query) {
            let bare = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
            let mut is_name = false;
            for speaker in speakers.iter().filter(|speaker| names(speaker, bare)) {
                is_name = true;
                if !named.contains(speaker) {
                    named.push(speaker.clone());
                }
            }
            if is_name {
                subject.push_str(query.get(kept..at).unwrap_or_default());
                kept = at + word.len();
            }
            words.push(Word { at, text: word, is_name });
        }
        subject.push_str(query.get(kept..).unwrap_or_default());
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        let has_subject = text::content_stems(&subject).next().is_some();
        let meaning = match (has_subject, named.as_slice()) {
            (false, _) => query.to_owned(),
            (true, [_]) => first_person(query, &words),
            (true, _) => subject.clone(),
        };
        Self {
            words: forms::with_forms(if has_subject { &subject } else { query }),
            meaning,
            role: if named.is_empty() { role(query) } else { None },
            named,
            times: text::sentences(query).into_iter().flat_map(|sentence| times(sentence, today)).collect(),
            asks_when: asks_when(query),
            kinds: Kind::asked(query),
        }
    }

    /// Whether it names anybody who speaks, by name or as a role.
    pub(crate) const fn names_somebody(&self) -> bool {
        !self.named.is_empty() || self.role.is_some()
    }

    /// Whether an event was said by someone the question names.
    pub(crate) fn names(&self, event: &RecalledEvent) -> bool {
        event.speaker.as_ref().is_some_and(|speaker| self.named.contains(speaker))
            || self.role.is_some_and(|role| event.role == role)
    }
}

/// Whether a word of a question names this speaker.
fn names(speaker: &str, word: &str) -> bool {
    let word = word.to_lowercase();
    let mut parts = text::words(speaker).map(str::to_lowercase);
    let first = parts.next();
    // A short first word is a title or an initial more often than a name.
    first.as_ref().is_some_and(|first| first.chars().count() > 2 && *first == word)
        || parts.any(|part| part.chars().count() > 2 && part == word)
}

/// The one role a question names.
fn role(query: &str) -> Option<&'static str> {
    let words: Vec<String> = text::words(query).map(|word| word.to_lowercase().replace('’', "'")).collect();
    let mut named = ROLES.iter().filter(|(_, names)| {
        words.iter().any(|word| names.contains(&word.strip_suffix("'s").unwrap_or(word)))
    });
    match (named.next(), named.next()) {
        (Some((role, _)), None) => Some(role),
        _ => None,
    }
}

/// The times a sentence of a question names. One without a year that is not counted from today ("in June", "on 7 May")
/// may be of any year.
fn times(sentence: &str, today: Date) -> Vec<Range<Timestamp>> {
    let mut times = Vec::new();
    for mention in dates::dates(sentence, today) {
        let has_year = sentence.get(mention.span.clone()).is_some_and(|span| {
            text::words(span).any(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()))
        });
        let every_year = !mention.relative && !has_year;
        for years in 0..=(if every_year { YEARS_BACK } else { 0 }) {
            let moved = |day: Date| day.checked_sub(years.years()).ok();
            let time = moved(mention.period.start).zip(moved(mention.period.end)).and_then(|(start, end)| {
                let since = start.to_zoned(TimeZone::UTC).ok()?.timestamp();
                let until = end.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
                Some(since..until)
            });
            times.extend(time);
        }
    }
    times
}

/// Whether a question asks when something was.
fn asks_when(query: &str) -> bool {
    let words: Vec<String> = text::words(query).map(str::to_lowercase).collect();
    words.iter().zip(words.iter().skip(1)).any(|(one, next)| {
        matches!(one.as_str(), "what" | "which")
            && matches!(next.as_str(), "date" | "day" | "week" | "month" | "season" | "year")
            || one == "how" && next == "long"
            || one == "since" && next == "when"
    }) || words.first().is_some_and(|first| first == "when")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 5, 8);

    fn speakers() -> Vec<String> {
        vec!["Melanie".to_owned(), "Dr Ada Byron".to_owned()]
    }

    #[test]
    fn the_names_of_speakers_leave_the_subject() {
        let question = Subject::read("When did Melanie's kids meet ada?", &speakers(), TODAY);
        assert_eq!(question.words, "When did kids meet ? met");
        assert_eq!(question.meaning, "When did kids meet ?");
        assert_eq!(question.named, speakers());
    }

    #[test]
    fn a_question_about_one_speaker_means_what_they_would_ask() {
        let question = Subject::read("How has Ada Byron been sleeping?", &speakers(), TODAY);
        assert_eq!(question.words, "How has been sleeping? slept");
        assert_eq!(question.meaning, "How have I been sleeping?");
    }

    #[test]
    fn a_question_that_is_only_a_name_keeps_it() {
        let question = Subject::read("Who is Melanie?", &speakers(), TODAY);
        assert_eq!(
            (question.words.as_str(), question.meaning.as_str()),
            ("Who is Melanie?", "Who is Melanie?")
        );
        assert_eq!(question.named, ["Melanie"]);
    }

    #[test]
    fn a_question_without_speakers_stays_as_it_is() {
        let question = Subject::read("What about Lisbon?", &[], TODAY);
        assert_eq!((question.words.as_str(), question.named.len()), ("What about Lisbon?", 0));
    }

    fn days(query: &str) -> Vec<(String, String)> {
        Subject::read(query, &[], TODAY)
            .times
            .iter()
            .map(|time| (time.start.strftime("%F").to_string(), time.end.strftime("%F").to_string()))
            .collect()
    }

    fn day_pair(since: &str, until: &str) -> (String, String) {
        (since.to_owned(), until.to_owned())
    }

    #[test]
    fn a_time_with_a_year_and_one_counted_from_today_are_meant_once() {
        assert_eq!(days("What did I paint in May 2023?"), [day_pair("2023-05-01", "2023-06-01")]);
        assert_eq!(days("What was on 7 May 2023?"), [day_pair("2023-05-07", "2023-05-08")]);
        assert_eq!(days("What did I cook yesterday?"), [day_pair("2026-05-07", "2026-05-08")]);
        assert_eq!(days("What did I cook?"), []);
    }

    #[test]
    fn a_time_without_a_year_is_of_any_of_the_last_years() {
        let june = days("Where did we go in June?");
        assert_eq!(june.len(), 11);
        assert!(june.contains(&day_pair("2025-06-01", "2025-07-01")), "{june:?}");
        assert!(june.contains(&day_pair("2019-06-01", "2019-07-01")), "{june:?}");
    }

    #[test]
    fn a_role_is_named_by_its_pronouns_when_they_name_only_one() {
        let role = |query| Subject::read(query, &speakers(), TODAY).role;
        assert_eq!(role("Where are my keys?"), Some("user"));
        assert_eq!(role("Which hotel did you recommend?"), Some("assistant"));
        assert_eq!(role("What did the assistant’s answer say?"), Some("assistant"));
        assert_eq!(role("What did you tell me?"), None);
        assert_eq!(role("What is Melanie to me?"), None);
        assert_eq!(role("Which hotel was it?"), None);
    }

    #[test]
    fn a_question_asks_when_by_its_words() {
        let asks = |query| Subject::read(query, &[], TODAY).asks_when;
        assert!(asks("When did we meet?"));
        assert!(asks("Since when do we live here?"));
        assert!(asks("In which year did we move?"));
        assert!(asks("How long have we been here?"));
        assert!(!asks("What happened when we moved?"));
        assert!(!asks("What did we eat that day?"));
    }

    proptest! {
        #[test]
        fn no_question_panics(query in "\\PC{0,80}", speaker in "\\PC{0,20}") {
            let _ = Subject::read(&query, &[speaker], TODAY);
        }
    }
}
