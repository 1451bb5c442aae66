use std::ops::Range;
use std::sync::LazyLock;

use card_validate::{Type, Validate};
use regex::Regex;

static CANDIDATE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u:\b)[0-9](?:[ -]?[0-9]){12,22}(?-u:\b)").expect("a constant pattern"));
/// The shortest number of a card.
const SHORTEST: usize = 14;
/// How long numbers of issuers are that once had shorter ones: a serial number of a telephone is as long as those.
const USUAL: usize = 16;

/// Numbers of payment cards: known by who issues them, of the right length and with the right check digit, written without
/// blanks or in the groups that stand on cards.
pub(super) fn find(text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    for candidate in CANDIDATE.find_iter(text) {
        let groups = groups(candidate.as_str(), candidate.start());
        let mut first = 0;
        while first < groups.len() {
            let found = (first + 1..=groups.len())
                .rev()
                .find(|end| groups.get(first..*end).is_some_and(|groups| is_card(text, groups)));
            match found.and_then(|end| Some((groups.get(first)?.start, groups.get(end - 1)?.end, end))) {
                Some((start, stop, end)) => {
                    tell(start..stop);
                    first = end;
                }
                None => first += 1,
            }
        }
    }
}

/// Where runs of digits stand.
fn groups(candidate: &str, offset: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (at, _) in candidate.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some(last) if last.end == offset + at => last.end += 1,
            _ => groups.push(offset + at..offset + at + 1),
        }
    }
    groups
}

fn is_card(text: &str, groups: &[Range<usize>]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(ExactSizeIterator::len).collect();
    let is_laid_out = match lengths.as_slice() {
        [SHORTEST..=19] | [4, 4, 4, 4] | [4, 6, 4 | 5] => true,
        [4, 4, 4, 4, last] => *last <= 3,
        _ => false,
    };
    if !is_laid_out {
        return false;
    }
    let digits: String = groups.iter().filter_map(|group| text.get(group.clone())).collect();
    let range = groups.first().map_or(0, |group| group.start)..groups.last().map_or(0, |group| group.end);
    let is_issued = Validate::from(&digits).is_ok_and(|card| match card.card_type {
        Type::Visa | Type::Maestro => digits.len() >= USUAL,
        _ => true,
    });
    is_issued
        && digits.bytes().any(|digit| digit != digits.as_bytes().first().copied().unwrap_or_default())
        && !super::is_part_of_number(text, &range)
}
