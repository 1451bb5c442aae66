//! From one message to the facts it tells: which sentences count, and where in them somebody speaks of themselves.

mod correction;
mod since;
mod speaker;
mod standing;
mod voice;

use std::collections::BTreeSet;

use domain::Event;
use jiff::civil::Date;
use model::dates::{dates_among, said_on};
use model::text;
use model::tokens::tokens;

pub(crate) use speaker::{is_of_interest, speaker};

use super::attribute::{Attribute, Fact, Polarity, Subject};
use super::pattern::{Element, Match, matched};
use super::rules::{GRANTED, OWN, Rule};
use super::sentence::{Sentence, is_adverb};
use super::words::{quotations, words};
use crate::said::own_words;
use correction::correction;
use since::since;
use standing::{holds, is_granted, is_whole};
use voice::{JOKES, OPENERS, REQUESTS, is_sarcastic, may_speak};

/// How many facts one message is believed to hold; a pasted document may hold more.
const MOST_FACTS: usize = 20;

/// A longer sentence is read in parts of so many words: what is said of one word may take all of them.
const LONGEST_SENTENCE: usize = 200;

/// The facts a message tells, each with since when it holds, where that is said. `last` is what the speaker told last.
/// `speakers` are those who speak in the window.
pub(super) fn told(
    event: &Event,
    speaker: &Subject,
    last: Option<Attribute>,
    speakers: &BTreeSet<String>,
) -> Vec<(Fact, Option<Date>)> {
    let text = own_words(&event.content);
    let all = tokens(&text);
    let quotations = quotations(&text);
    let said = said_on(event.occurred_at, &event.payload);
    let mut facts: Vec<(Fact, Option<Date>)> = Vec::new();
    let mut last = last;
    let mut requested = false;
    for span in text::sentence_spans(&text) {
        let first = all.partition_point(|token| token.start < span.start);
        let end = all.partition_point(|token| token.start < span.end);
        let asks = text
            .get(span.clone())
            .is_some_and(|sentence| sentence.trim_end_matches(['"', '”', ')', ' ']).ends_with('?'));
        for tokens in all.get(first..end).unwrap_or_default().chunks(LONGEST_SENTENCE) {
            let words = words(&text, tokens, &quotations);
            let sentence = Sentence { words, dates: dates_among(&text, tokens, said), speakers };
            if sentence.words.iter().any(|word| JOKES.contains(&word.lower.as_str())) {
                return Vec::new();
            }
            let mut opening = sentence.words.iter().take(4).map(|word| word.lower.as_str());
            requested |= !matches!(sentence.lower(0), "i" | "we" | "my")
                && opening.any(|word| REQUESTS.contains(&word));
            if requested || is_sarcastic(&sentence) || facts.len() >= MOST_FACTS {
                continue;
            }
            let mut found = told_in(&sentence, speaker, asks);
            if found.is_empty() && !asks {
                found.extend(correction(&sentence, speaker, last));
            }
            for (fact, at) in found {
                if fact.subject.relative.is_none() && fact.attribute.is_single() {
                    last = Some(fact.attribute);
                }
                let since = since(&sentence, &fact, at, said);
                facts.push((fact, since));
            }
        }
    }
    facts.truncate(MOST_FACTS);
    facts
}

/// The facts of one sentence, and where in it each begins.
fn told_in(sentence: &Sentence<'_>, speaker: &Subject, asks: bool) -> Vec<(Fact, usize)> {
    let mut facts = Vec::new();
    let mut at = 0;
    if let Some((rule, found)) = elided(sentence).filter(|(_, found)| holds(sentence, found, asks)) {
        at = found.end;
        facts.extend(made(rule, &found, sentence, speaker).into_iter().map(|fact| (fact, 0)));
    }
    while at < sentence.words.len() {
        let found = granted(sentence, at)
            .filter(|(_, found)| may_speak(sentence, at, true) && is_granted(sentence, at, found));
        if let Some((rule, found)) = &found {
            facts.extend(made(rule, found, sentence, speaker).into_iter().map(|fact| (fact, at)));
        }
        let mut next = at + 1;
        if may_speak(sentence, at, false)
            && let Some((rule, found)) = first_match(sentence, at)
            && holds(sentence, &found, asks)
        {
            facts.extend(made(rule, &found, sentence, speaker).into_iter().map(|fact| (fact, at)));
            next = found.end.max(next);
            // "I live in Lisbon and work at Acme."
            let mut end = found.end;
            while let Some((rule, found)) =
                continued(sentence, at, end).filter(|(_, found)| holds(sentence, found, asks))
            {
                facts.extend(made(rule, &found, sentence, speaker).into_iter().map(|fact| (fact, end)));
                end = found.end;
                next = end;
            }
        }
        at = next;
    }
    facts
}

fn granted<'r>(sentence: &Sentence<'_>, at: usize) -> Option<(&'r Rule, Match)> {
    matches!(sentence.lower(at), "my" | "our").then_some(())?;
    GRANTED.iter().find_map(|rule| Some((rule, matched(&rule.elements, sentence, at)?)))
}

fn first_match<'r>(sentence: &Sentence<'_>, at: usize) -> Option<(&'r Rule, Match)> {
    OWN.iter().find_map(|rule| Some((rule, matched(&rule.elements, sentence, at)?)))
}

/// What follows "and" without saying again who it is about.
fn continued<'r>(sentence: &Sentence<'_>, subject: usize, end: usize) -> Option<(&'r Rule, Match)> {
    let subject = sentence.lower(subject);
    if !matches!(subject, "i" | "we") || !matches!(sentence.lower(end), "and" | "but") {
        return None;
    }
    let mut at = end + 1;
    while is_adverb(sentence.lower(at)) {
        at += 1;
    }
    if matches!(sentence.lower(at), "i" | "we" | "my" | "our" | "") {
        return None;
    }
    unsaid(sentence, subject, at)
}

/// "Moved to Lisbon last week.": nobody but the speaker is meant.
fn elided<'r>(sentence: &Sentence<'_>) -> Option<(&'r Rule, Match)> {
    let at = sentence
        .words
        .iter()
        .take_while(|word| OPENERS.contains(&word.lower.as_str()) || is_adverb(&word.lower))
        .count();
    let begins = sentence.words.get(at).is_some_and(|word| !word.quoted);
    if !begins || !matches!(sentence.lower(at), "moved" | "lost" | "quit" | "adopted" | "retired") {
        return None;
    }
    unsaid(sentence, "i", at)
}

/// What is said of somebody who is not named again.
fn unsaid<'r>(sentence: &Sentence<'_>, subject: &str, at: usize) -> Option<(&'r Rule, Match)> {
    OWN.iter().find_map(|rule| {
        let [Element::Words(first), rest @ ..] = rule.elements.as_slice() else {
            return None;
        };
        if !first.contains(&subject) || matches!(rest.first(), Some(Element::Slot(..))) {
            return None;
        }
        Some((rule, matched(rest, sentence, at)?))
    })
}

/// The facts of what fits a rule: none of what is only denied in part.
fn made(rule: &Rule, found: &Match, sentence: &Sentence<'_>, speaker: &Subject) -> Vec<Fact> {
    let after = (sentence.lower(found.end), sentence.lower(found.end + 1));
    let is_over = matches!(after, ("any", "more" | "longer"));
    let polarity =
        if rule.polarity == Polarity::Negative && is_over { Polarity::Ended } else { rule.polarity };
    let subject = Subject { relative: found.relative.clone(), ..speaker.clone() };
    let whole = |(attribute, ..): &&(Attribute, String, String)| {
        is_whole(*attribute, rule.polarity, sentence, found.end)
    };
    let fact = |(attribute, value, detail): &(Attribute, String, String)| Fact {
        subject: subject.clone(),
        attribute: *attribute,
        value: value.clone(),
        detail: detail.clone(),
        polarity,
        confidence: rule.confidence,
    };
    found.found.iter().filter(whole).map(fact).collect()
}
