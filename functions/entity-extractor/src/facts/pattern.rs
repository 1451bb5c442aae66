//! The small language that rules are written in, and how a rule is held against a sentence.
//!
//! - `live|reside`: one of these words; adverbs before it are passed over.
//! - `?back|here`: one of these words, or none.
//! - `[at <employer:organisation>]`: all of this, or nothing.
//! - `<home:place>`: a value, what it is of and how it is read.
//! - `<occupation=retired>`: a value that the words before it mean.
//! - `<.person>`: what belongs to the value before it, such as a pet's name.
//! - `<@relation>`: of whose relative everything is said; `<-place>`: is there, and not kept.
//! - `$`: nothing more is said before the next mark or conjunction.

use super::attribute::Attribute;
use super::sentence::{Sentence, is_adverb};
use super::value::{Read, Reader};

#[derive(Debug)]
pub(super) enum Element {
    Words(Vec<&'static str>),
    Optional(Vec<&'static str>),
    Group(Vec<Self>),
    Slot(Role, Reader),
    /// A value that is not written out.
    Value(Attribute, &'static str),
    End,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Of(Attribute),
    Detail,
    Relative,
    Unused,
}

/// What a rule found.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Match {
    /// Values, what they are of, and what belongs to them.
    pub(super) found: Vec<(Attribute, String, String)>,
    pub(super) relative: Option<String>,
    /// Where the words after it begin.
    pub(super) end: usize,
}

/// A pattern out of its notation; none when it is not one.
pub(super) fn parse(notation: &'static str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut rest = notation.trim();
    while !rest.is_empty() {
        let (element, after) = if let Some(inner) = rest.strip_prefix('[') {
            let (group, after) = inner.split_once(']')?;
            (Element::Group(parse(group)?), after)
        } else if let Some(inner) = rest.strip_prefix('<') {
            let (slot, after) = inner.split_once('>')?;
            (self::slot(slot)?, after)
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let element = match word.strip_prefix('?') {
                _ if word == "$" => Element::End,
                Some(optional) => Element::Optional(optional.split('|').collect()),
                None => Element::Words(word.split('|').collect()),
            };
            (element, after)
        };
        elements.push(element);
        rest = after.trim_start();
    }
    Some(elements)
}

fn slot(slot: &'static str) -> Option<Element> {
    if let Some((attribute, value)) = slot.split_once('=') {
        return Some(Element::Value(serde_json::from_value(attribute.into()).ok()?, value));
    }
    let (role, reader) = if let Some(reader) = slot.strip_prefix('.') {
        (Role::Detail, reader)
    } else if let Some(reader) = slot.strip_prefix('@') {
        (Role::Relative, reader)
    } else if let Some(reader) = slot.strip_prefix('-') {
        (Role::Unused, reader)
    } else {
        let (attribute, reader) = slot.split_once(':')?;
        (Role::Of(serde_json::from_value(attribute.into()).ok()?), reader)
    };
    let reader = match reader {
        "place" => Reader::Place,
        "organisation" => Reader::Organisation,
        "job" => Reader::Job,
        "any-job" => Reader::AnyJob,
        "state" => Reader::State,
        "number" => Reader::Number,
        "children" => Reader::Children,
        "siblings" => Reader::Siblings,
        "pets" => Reader::Pets,
        "spouse" => Reader::Spouse,
        "diets" => Reader::Diets,
        "person" => Reader::Person,
        "relation" => Reader::Relation,
        "elder" => Reader::Elder,
        "relatives" => Reader::Relatives,
        "pet" => Reader::Pet,
        "languages" => Reader::Languages,
        "diet" => Reader::Diet,
        "status" => Reader::Status,
        "condition" => Reader::Condition,
        "date" => Reader::Date,
        "phrase" => Reader::Phrase,
        "phrases" => Reader::Phrases,
        "category" => Reader::Category,
        "best" => Reader::Best,
        "game" => Reader::Game,
        "doing" => Reader::Doing,
        "verb" => Reader::Verb,
        "thing" => Reader::Thing,
        "food" => Reader::Food,
        "allergens" => Reader::Allergens,
        "subject" => Reader::Subject,
        _ => return None,
    };
    Some(Element::Slot(role, reader))
}

/// Holds a pattern against the words from `at` on.
pub(super) fn matched(elements: &[Element], sentence: &Sentence<'_>, at: usize) -> Option<Match> {
    let mut found = Match { end: at, ..Match::default() };
    step(elements, sentence, &mut found, true).then_some(found)
}

/// Goes through the elements in order; nothing is ever tried twice, so it takes time linear in the words.
fn step(elements: &[Element], sentence: &Sentence<'_>, found: &mut Match, begins: bool) -> bool {
    let mut begins = begins;
    for element in elements {
        let fits = match element {
            Element::Words(words) => word(words, sentence, found, !begins),
            Element::Optional(words) => {
                word(words, sentence, found, false);
                true
            }
            Element::Group(group) => {
                let mut tried = found.clone();
                if step(group, sentence, &mut tried, false) {
                    *found = tried;
                }
                true
            }
            Element::Slot(role, reader) => take(*role, *reader, sentence, found),
            Element::Value(attribute, value) => {
                found.found.push((*attribute, (*value).to_owned(), String::new()));
                true
            }
            Element::End => sentence.ends_at(found.end),
        };
        if !fits {
            return false;
        }
        begins = false;
    }
    true
}

/// Whether one of the words comes next, adverbs passed over.
fn word(words: &[&str], sentence: &Sentence<'_>, found: &mut Match, may_pass: bool) -> bool {
    let mut at = found.end;
    loop {
        let Some(next) = sentence.words.get(at) else { return false };
        if at > found.end.min(at) && next.gap != super::words::Gap::None {
            return false;
        }
        if words.contains(&next.lower.as_str()) {
            let marked = next.gap != super::words::Gap::None && may_pass;
            if marked {
                return false;
            }
            found.end = at + 1;
            return true;
        }
        if !(may_pass && is_adverb(&next.lower) && at < found.end + 2) {
            return false;
        }
        at += 1;
    }
}

fn take(role: Role, reader: Reader, sentence: &Sentence<'_>, found: &mut Match) -> bool {
    let passed = (0..2).take_while(|ahead| is_adverb(sentence.lower(found.end + ahead))).count();
    let read = sentence
        .read(reader, found.end)
        .or_else(|| (passed > 0).then(|| sentence.read(reader, found.end + passed)).flatten());
    let Some(Read { values, end }) = read else { return false };
    match role {
        Role::Of(attribute) => {
            found.found.extend(values.into_iter().map(|value| (attribute, value, String::new())));
        }
        Role::Detail => {
            if let (Some((.., detail)), Some(value)) = (found.found.last_mut(), values.into_iter().next()) {
                *detail = value;
            }
        }
        Role::Relative => {
            if let Some(value) = values.into_iter().next() {
                found.relative = Some(match found.relative.take() {
                    Some(relative) => format!("{relative} {value}"),
                    None => value,
                });
            }
        }
        Role::Unused => {}
    }
    found.end = end;
    true
}
