//! Numbers and addresses that tell who somebody is: candidates by their form, and then what tells a real one.

mod card;
mod email;
mod iban;
mod ip;
mod phone;
mod ssn;

use std::ops::Range;

use domain::Identifier;

/// Tells where identifiers of a kind stand in a text.
pub(crate) fn find(kind: Identifier, text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    let needed = match kind {
        Identifier::Email => text.contains('@'),
        Identifier::IpAddress => text.contains([':', '.']),
        _ => text.bytes().any(|byte| byte.is_ascii_digit()),
    };
    if !needed {
        return;
    }
    match kind {
        Identifier::CreditCard => card::find(text, tell),
        Identifier::Iban => iban::find(text, tell),
        Identifier::Phone => phone::find(text, tell),
        Identifier::Email => email::find(text, tell),
        Identifier::UsSsn => ssn::find(text, tell),
        Identifier::IpAddress => ip::find(text, tell),
    }
}

/// The character before a place.
fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// The characters from a place on.
fn after(text: &str, at: usize) -> std::str::Chars<'_> {
    text.get(at..).unwrap_or_default().chars()
}

/// Whether digits between two places go on beyond them as a longer number does: `1.` before them, `.5` after them.
fn is_part_of_number(text: &str, range: &Range<usize>) -> bool {
    let is_joint = |character: char| matches!(character, '.' | ',' | '-' | '/' | '_');
    let is_digit = |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
    let mut back = text.get(..range.start).unwrap_or_default().chars().rev();
    let mut ahead = after(text, range.end);
    back.next().is_some_and(is_joint) && is_digit(back.next())
        || ahead.next().is_some_and(is_joint) && is_digit(ahead.next())
}
