use std::ops::Range;
use std::sync::LazyLock;

use iban::Iban;
use regex::Regex;

static CANDIDATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,38}").expect("a constant pattern")
});

/// International bank account numbers: of a country that has them, as long as they are there, with the right check digits.
pub(super) fn find(text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    let mut from = 0;
    while let Some(candidate) = CANDIDATE.find_at(text, from) {
        // Words may follow without anything between: the longest beginning that is one counts.
        let ends = candidate.as_str().char_indices().rev().map(|(at, character)| at + character.len_utf8());
        let end = ends
            .filter(|end| {
                let next = super::after(text, candidate.start() + end).next();
                !next.is_some_and(char::is_alphanumeric)
            })
            .find(|end| candidate.as_str().get(..*end).is_some_and(is_iban));
        match end {
            Some(end) => {
                tell(candidate.start()..candidate.start() + end);
                from = candidate.start() + end;
            }
            None => from = candidate.start() + 2,
        }
    }
}

fn is_iban(written: &str) -> bool {
    let plain: String = written
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect();
    plain.parse::<Iban>().is_ok()
}
