//! Since when what somebody tells holds.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::facts::attribute::{Attribute, Fact, Polarity};
use crate::facts::sentence::Sentence;

/// Since when something holds: the only day or period that is said beside it, or "for seven years".
pub(super) fn since(sentence: &Sentence<'_>, fact: &Fact, at: usize, said: Date) -> Option<Date> {
    if matches!(
        fact.attribute,
        Attribute::Age | Attribute::Birthday | Attribute::Favourite | Attribute::Prefers
    ) {
        return None;
    }
    // In "my son passed his exam yesterday" the day is not that of having a son.
    let is_granted = matches!(sentence.lower(at), "my" | "our") && fact.polarity == Polarity::Positive;
    if is_granted && matches!(fact.attribute, Attribute::Relative | Attribute::Pet | Attribute::Children) {
        return None;
    }
    let start = sentence.words.get(at)?.start;
    let mut after = sentence.dates.iter().filter(|date| date.span.start >= start);
    if let (Some(date), None) = (after.next(), after.next()) {
        return (date.period.start <= said).then_some(date.period.start);
    }
    let from = sentence.words.get(at..)?;
    from.windows(3).find_map(|words| {
        let [preposition, count, unit] = words else { return None };
        let count: i64 = match count.lower.as_str() {
            "a" | "one" => 1,
            "two" => 2,
            "three" => 3,
            "four" => 4,
            "five" => 5,
            "six" => 6,
            "seven" => 7,
            "eight" => 8,
            "nine" => 9,
            "ten" => 10,
            other => other.parse().ok().filter(|count| (1..100).contains(count))?,
        };
        let back: Span = match unit.lower.as_str() {
            "year" | "years" => count.years(),
            "month" | "months" => count.months(),
            "week" | "weeks" => count.weeks(),
            _ => return None,
        };
        (preposition.lower == "for").then(|| said.checked_sub(back).ok()).flatten()
    })
}
