//! What is stated without words of the speaker's own doing: orders, and what somebody else will do.

use model::text;

use super::address::{addressed, is_address};
use super::clause::{clause_end, stated};
use super::{LONGEST_WHAT, Statement};
use crate::action::{Doer, Kind, cut};
use crate::sentence::{Gap, Sentence};
use crate::verbs;
use crate::vocabulary::ORDERS;

/// An order: "Book a table for four."
pub(super) fn order(sentence: &Sentence<'_>, read: usize, at: usize) -> Option<(Statement, usize)> {
    let joins = at == 1 && matches!(sentence.word(0), "and" | "also" | "then" | "now");
    let starts = at == 0 || joins || (sentence.opens(at) && at <= 3 && is_address(sentence, at));
    let to_me = sentence.word(at + 1) == "me"
        && sentence.words.len() > at + 2
        && matches!(sentence.word(at), "send" | "forward" | "email" | "mail" | "bring");
    let has_object = to_me
        || sentence.words.get(at + 1).is_some_and(|word| {
            word.gap == Gap::Space
                && !matches!(
                    word.lower.as_str(),
                    "crazy" | "it's" | "is" | "was" | "are" | "this" | "me" | "you" | "out"
                )
        });
    // "Water pollution has long been a concern."
    let is_noun =
        matches!(sentence.word(at + 2), "is" | "are" | "was" | "were" | "has" | "have" | "had" | "will");
    if !starts
        || !has_object
        || is_noun
        || sentence.word(at + 2) == "out"
        || sentence.asks()
        || !ORDERS.contains(&sentence.word(at))
    {
        return None;
    }
    let end = clause_end(sentence, at);
    let mut stated = stated(sentence, Kind::Todo, Doer::Other, read, at..end);
    if let Some(name) = addressed(sentence, at) {
        (stated.doer, stated.owner) = (Doer::Named, Some(name));
    }
    Some((stated, end))
}

/// "Tim will bring the projector", "the budget needs to be approved".
pub(super) fn of_third_person(sentence: &Sentence<'_>, read: usize, at: usize) -> Option<(Statement, usize)> {
    if sentence.asks() || at == 0 {
        return None;
    }
    let passive = [&["needs", "to", "be"], &["need", "to", "be"], &["has", "to", "be"]];
    let subject = sentence.words.get(at - 1)?;
    if passive.iter().any(|words| sentence.has(at, *words)) {
        let of_person = matches!(
            subject.lower.as_str(),
            "i" | "we" | "you" | "they" | "he" | "she" | "to" | "it" | "this" | "that"
        );
        if of_person || !verbs::is_past(sentence.word(at + 3)) {
            return None;
        }
        let end = clause_end(sentence, at + 3);
        let mut done = stated(sentence, Kind::Todo, Doer::Nobody, read, at + 3..end);
        let start = sentence.words.get(read)?.token.start;
        let object = sentence.message.get(start..subject.token.end).unwrap_or_default();
        cut(&format!("get {object} {}", done.what), LONGEST_WHAT).clone_into(&mut done.what);
        return Some((done, end));
    }
    let (kind, verb) = match (sentence.word(at), sentence.word(at + 1)) {
        ("will", _) => (Kind::Commitment, at + 1),
        ("promised", "to") => (Kind::Commitment, at + 2),
        ("has" | "needs", "to") => (Kind::Todo, at + 2),
        _ => return None,
    };
    let is_name = subject.token.text.starts_with(char::is_uppercase)
        && !text::is_stop_word(&subject.lower)
        && (at == 1 || sentence.opens(at - 1));
    if !is_name || !ORDERS.contains(&sentence.word(verb)) {
        return None;
    }
    let end = clause_end(sentence, verb);
    let mut stated = stated(sentence, kind, Doer::Named, read, verb..end);
    stated.owner = Some(cut(subject.token.text, 60).to_owned());
    Some((stated, end))
}
