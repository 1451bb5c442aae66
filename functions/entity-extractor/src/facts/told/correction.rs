//! Corrections that do not say again what they are about: "actually it's Porto now".

use super::voice::OPENERS;
use crate::facts::attribute::{Attribute, Fact, Polarity, Subject};
use crate::facts::sentence::{Sentence, is_adverb};
use crate::facts::value::Reader;

/// "Actually it's Porto now": a new value of what was told last.
pub(super) fn correction(
    sentence: &Sentence<'_>,
    speaker: &Subject,
    last: Option<Attribute>,
) -> Option<(Fact, usize)> {
    let attribute = last?;
    let reader = match attribute {
        Attribute::Home | Attribute::Origin => Reader::Place,
        Attribute::Employer | Attribute::School => Reader::Organisation,
        Attribute::Name | Attribute::Nickname => Reader::Person,
        Attribute::Age => Reader::Number,
        Attribute::Birthday => Reader::Date,
        Attribute::Occupation => Reader::Job,
        _ => return None,
    };
    let is_cue = |word: &str| {
        matches!(word, "actually" | "sorry" | "correction" | "now" | "meant" | "wait" | "oops" | "rather")
    };
    let cued = sentence.words.iter().any(|word| is_cue(&word.lower));
    if !cued || sentence.words.len() > 12 || sentence.words.iter().any(|word| word.quoted) {
        return None;
    }
    (0..sentence.words.len()).find_map(|at| {
        let before = sentence.words.get(..at)?;
        let opens = before.iter().all(|word| OPENERS.contains(&word.lower.as_str()) || is_cue(&word.lower));
        let length = match (sentence.lower(at), sentence.lower(at + 1)) {
            ("it", "is") | ("make", "that" | "it") | ("i", "meant" | "mean") => 2,
            ("i", "am") if attribute == Attribute::Age => 2,
            _ => 0,
        };
        if !opens || (length == 0 && !(at > 0 && before.iter().any(|word| is_cue(&word.lower)))) {
            return None;
        }
        let mut from = at + length;
        // "It's in Madrid" is said of a meeting, "it's on Monday" of a birthday.
        while matches!(sentence.lower(from), "a" | "an")
            || attribute == Attribute::Birthday && matches!(sentence.lower(from), "in" | "on")
            || attribute == Attribute::Employer && sentence.lower(from) == "at"
            || is_adverb(sentence.lower(from))
        {
            from += 1;
        }
        let read = sentence.read(reader, from)?;
        if !sentence.ends_at(read.end) {
            return None;
        }
        let fact = Fact {
            subject: speaker.clone(),
            attribute,
            value: read.values.into_iter().next()?,
            detail: String::new(),
            polarity: Polarity::Positive,
            confidence: 0.75,
        };
        Some((fact, at))
    })
}
