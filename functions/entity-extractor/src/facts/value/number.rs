//! Numbers in figures and words, and the days of birthdays.

use jiff::civil::Date;
use model::dates::Granularity;

use super::{Read, Sentence};

impl Sentence<'_> {
    /// How old somebody is, in years.
    pub(super) fn age(&self, at: usize) -> Option<Read> {
        let number = number(self.lower(at)).filter(|number| (3..=110).contains(number))?;
        Read::one(number.to_string(), at + 1)
    }

    pub(super) fn count(&self, at: usize) -> Option<u32> {
        match self.lower(at) {
            "a" | "an" => Some(1),
            word => number(word),
        }
    }

    /// A day, a month or a year as it is said of a birthday: without the year when it is not said.
    pub(super) fn date(&self, at: usize) -> Option<Read> {
        let mut at = at;
        while matches!(self.lower(at), "on" | "in" | "the") {
            at += 1;
        }
        let start = self.words.get(at)?.start;
        let date = self.dates.iter().find(|date| date.span.start <= start && start < date.span.end)?;
        let end = self.words.iter().position(|word| word.start >= date.span.end).unwrap_or(self.words.len());
        let words = self.words.get(at..end)?;
        let says_year = words
            .iter()
            .any(|word| word.lower.len() == 4 && word.lower.bytes().all(|byte| byte.is_ascii_digit()));
        let day: Date = date.period.start;
        let value = match (date.period.granularity, says_year) {
            (Granularity::Day, true) => day.strftime("%-d %B %Y").to_string(),
            (Granularity::Day, false) => day.strftime("%-d %B").to_string(),
            (Granularity::Month, false) => format!("in {}", day.strftime("%B")),
            (Granularity::Month, true) => format!("in {}", day.strftime("%B %Y")),
            (Granularity::Year, _) => format!("in {}", day.year()),
            _ => return None,
        };
        Read::one(value, end)
    }
}

/// "34", "thirty-four".
pub(in crate::facts) fn number(word: &str) -> Option<u32> {
    const ONES: [&str; 20] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let small = |word: &str| ONES.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok());
    let tens = |word: &str| {
        TENS.iter().position(|name| *name == word).and_then(|at| u32::try_from((at + 2) * 10).ok())
    };
    if let Some((ten, one)) = word.split_once('-') {
        return Some(tens(ten)? + small(one).filter(|one| (1..10).contains(one))?);
    }
    small(word).or_else(|| tens(word)).or_else(|| word.parse().ok().filter(|number| *number < 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_figures_and_words() {
        assert_eq!([number("34"), number("thirty-four"), number("nineteen")], [Some(34), Some(34), Some(19)]);
        assert_eq!([number("thirty-zero"), number("many"), number("20000")], [None, None, None]);
    }
}
