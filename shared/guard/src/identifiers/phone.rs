use std::ops::Range;
use std::sync::LazyLock;

use phonenumber::country;
use regex::Regex;

/// With the country's code, as it is dialled from abroad.
static INTERNATIONAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\+|(?-u:\b)00)[1-9](?:[ \u{a0}()./-]{0,3}[0-9]){6,14}").expect("a constant pattern")
});
/// As North America writes its own: `(415) 555-2671`, `415-555-2671`, `415.555.2671`.
static NORTH_AMERICAN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-][0-9]{4}|(?-u:\b)(?:1[ .-])?[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}|(?-u:\b)[2-9][0-9]{2}\.[2-9][0-9]{2}\.[0-9]{4})(?-u:\b)",
    )
    .expect("a constant pattern")
});

/// Telephone numbers that somebody can have, by the numbering plan of their country.
pub(super) fn find(text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    let mut taken = 0;
    for candidate in INTERNATIONAL.find_iter(text) {
        // A number that stands alone: not the end of a formula, nor the beginning of a word.
        let is_apart = !super::before(text, candidate.start())
            .is_some_and(|before| before.is_alphanumeric() || matches!(before, '+' | '.' | '_' | '='));
        let Some(length) = is_apart.then(|| longest(candidate.as_str())).flatten() else { continue };
        let end = candidate.start() + length;
        if super::after(text, end).next().is_some_and(|next| next.is_alphabetic() || next == '_') {
            continue;
        }
        tell(candidate.start()..end);
        taken = end;
    }
    for candidate in NORTH_AMERICAN.find_iter(text) {
        let is_apart = candidate.start() >= taken
            && !super::before(text, candidate.start())
                .is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | '=' | '/'))
            && !super::is_part_of_number(text, &candidate.range());
        if is_apart && is_number(Some(country::US), candidate.as_str()) {
            tell(candidate.range());
        }
    }
}

/// How long the number at the beginning is, in bytes: other numbers may follow it.
fn longest(candidate: &str) -> Option<usize> {
    let ends =
        candidate.char_indices().filter(|(_, character)| character.is_ascii_digit()).map(|(at, _)| at + 1);
    let ends: Vec<usize> = ends
        // At the end of a group of digits.
        .filter(|end| !super::after(candidate, *end).next().is_some_and(|next| next.is_ascii_digit()))
        .collect();
    ends.into_iter().rev().find(|end| {
        let written = candidate.get(..*end).unwrap_or_default();
        match written.strip_prefix("00") {
            Some(rest) => is_number(None, &format!("+{rest}")),
            None => is_number(None, written),
        }
    })
}

fn is_number(country: Option<country::Id>, written: &str) -> bool {
    phonenumber::parse(country, written).is_ok_and(|number| number.is_valid())
}
