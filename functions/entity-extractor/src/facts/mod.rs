//! What people say of themselves that lasts: facts and preferences.
//!
//! Only what a person says of themselves in so many words counts, or of somebody next to them: never the assistant's
//! words, questions, what might be, what others are reported to have said, quotations and what is marked as a joke. Everything is rules
//! ([`rules`]) over the words of one sentence; what was known before is only asked about what corrections and endings
//! refer to.

mod attribute;
mod few;
mod pattern;
mod rules;
mod sentence;
mod told;
mod value;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use domain::{Event, Memory, MemoryType, OnConflict, Scope, Thought, Window};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use model::dates::said_at;
use serde_json::json;

pub use attribute::{Attribute, Polarity};
pub(crate) use attribute::{Fact, Subject};
pub(crate) use few::{is_one_of_few, is_relative};
pub(crate) use told::{is_of_interest, speaker};

/// Below this nothing is remembered.
const LEAST_CONFIDENCE: f32 = 0.6;
/// How sure an end is that says so little that only what it ends makes it one.
const CONFIDENCE_OF_KNOWN: f32 = 0.75;
/// How long after a fact a bare "actually it's Porto now" in the speaker's next message is about that fact.
const CORRECTED_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// The same where it is not known which message was the speaker's last, because it is in no window.
const CORRECTED_ACROSS_WINDOWS: SignedDuration = SignedDuration::from_mins(30);

/// What one speaker is known to have said, while a window is read.
#[derive(Debug, Clone)]
struct Standing {
    attribute: Attribute,
    value: String,
    polarity: Polarity,
}

/// What is known of everybody, and what was said last.
#[derive(Debug, Default)]
struct Ledger {
    standing: BTreeMap<String, Standing>,
    /// Per speaker what was said last of those attributes that have one value.
    last: BTreeMap<String, (Attribute, Timestamp, SignedDuration)>,
}

/// The facts and preferences of a window, in the order they were said. Of what is `known`, facts matter.
pub(crate) fn think(window: &Window, known: &[Memory]) -> Vec<Thought> {
    let mut ledger = Ledger::of(known);
    let mut thoughts = Vec::new();
    let named = window.events.iter().filter_map(speaker).map(|speaker| speaker.speaker_key());
    let speakers: BTreeSet<String> = named.collect();
    for event in &window.events {
        let Some(speaker) = speaker(event) else { continue };
        // A correction is of what was said in the same message or the speaker's last.
        let last = ledger.last_said(&speaker, event.occurred_at);
        ledger.last.remove(&speaker.speaker_key());
        let told = told::told(event, &speaker, last, &speakers);
        thoughts.extend(ledger.take(event, told));
    }
    thoughts
}

/// What a model found, in the order it was said; each with the version of its message, or none for what is to be dropped.
pub(crate) fn of_model(
    told: Vec<(Fact, Option<i64>, Option<Date>)>,
    window: &Window,
    known: &[Memory],
) -> Vec<Thought> {
    let mut ledger = Ledger::of(known);
    let mut thoughts = Vec::new();
    for event in &window.events {
        let of_event = told.iter().filter(|(_, version, _)| *version == Some(event.version));
        let of_event = of_event.map(|(fact, _, since)| (fact.clone(), *since)).collect();
        thoughts.extend(ledger.take(event, of_event));
    }
    let Some(event) = window.events.first() else { return thoughts };
    let unfounded = told.into_iter().filter(|(_, version, _)| version.is_none());
    thoughts.extend(unfounded.map(|(fact, ..)| {
        let key = fact.key();
        Thought { evidence: Vec::new(), ..fact.into_thought(key, event, None) }
    }));
    thoughts
}

impl Ledger {
    fn of(known: &[Memory]) -> Self {
        let mut ledger = Self::default();
        // The newest come first.
        for memory in known.iter().rev() {
            let field = |name: &str| memory.data.get(name).cloned();
            let attribute = field("attribute").and_then(|value| serde_json::from_value(value).ok());
            let polarity = field("polarity").and_then(|value| serde_json::from_value(value).ok());
            let value = field("value").and_then(|value| value.as_str().map(str::to_owned));
            let (Some(attribute), Some(polarity), Some(value)) = (attribute, polarity, value) else {
                continue;
            };
            let standing = Standing { attribute, value, polarity };
            ledger.standing.insert(memory.key.clone(), standing);
            let of_self = field("relative").is_none_or(|relative| relative.is_null());
            if let Some(speaker) = field("speaker").and_then(|speaker| speaker.as_str().map(str::to_owned))
                && of_self
                && attribute.is_single()
            {
                ledger.last.insert(speaker, (attribute, memory.valid_from, CORRECTED_ACROSS_WINDOWS));
            }
        }
        ledger
    }

    /// What a speaker said last, unless that was long ago.
    fn last_said(&self, speaker: &Subject, now: Timestamp) -> Option<Attribute> {
        let (attribute, at, within) = self.last.get(&speaker.speaker_key())?;
        (now.duration_since(*at) <= *within && *at <= now).then_some(*attribute)
    }

    /// "I no longer work at Acme" says nothing of somebody who works at Beta by now.
    fn admits(&self, fact: &Fact) -> bool {
        let ends = matches!(fact.polarity, Polarity::Ended | Polarity::Negative);
        let Some(standing) = self.standing.get(&fact.key()).filter(|_| ends && fact.attribute.is_single())
        else {
            return true;
        };
        standing.polarity != Polarity::Positive
            || standing.attribute != fact.attribute
            || attribute::stems(&standing.value) == attribute::stems(&fact.value)
            || fact.attribute == Attribute::Children
    }

    /// Whether it ends what stands.
    fn is_known(&self, fact: &Fact) -> bool {
        self.standing.get(&fact.key()).is_some_and(|standing| {
            standing.polarity == Polarity::Positive
                && attribute::stems(&standing.value) == attribute::stems(&fact.value)
        })
    }

    /// What of one message's facts is remembered: of several under one key the last, because a message says one thing.
    fn take(&mut self, event: &Event, told: Vec<(Fact, Option<Date>)>) -> Vec<Thought> {
        let mut taken: Vec<(Fact, String, Option<Date>)> = Vec::new();
        for (mut fact, since) in told {
            if fact.confidence <= rules::UNLESS_KNOWN && self.is_known(&fact) {
                fact.confidence = CONFIDENCE_OF_KNOWN;
            }
            if fact.confidence >= LEAST_CONFIDENCE && self.admits(&fact) {
                let key = self.key_of(&fact);
                self.note(&fact, &key, event.occurred_at);
                taken.retain(|(other, of, _)| *of != key || other.memory_type() != fact.memory_type());
                taken.push((fact, key, since));
            }
        }
        taken.into_iter().map(|(fact, key, since)| fact.into_thought(key, event, since)).collect()
    }

    /// What identifies a fact. The end of something that has one value at a time, but that nothing is known of, is a fact of
    /// its own: whoever used to live in Porto lives somewhere, and that may come to light later.
    fn key_of(&self, fact: &Fact) -> String {
        let key = fact.key();
        let ends = matches!(fact.polarity, Polarity::Ended | Polarity::Negative);
        if ends && fact.attribute.is_single() && !fact.value.is_empty() && !self.standing.contains_key(&key) {
            format!("{key}:not:{}", attribute::stems(&fact.value))
        } else {
            key
        }
    }

    fn note(&mut self, fact: &Fact, key: &str, at: Timestamp) {
        let standing =
            Standing { attribute: fact.attribute, value: fact.value.clone(), polarity: fact.polarity };
        self.standing.insert(key.to_owned(), standing);
        if fact.subject.relative.is_none() && fact.attribute.is_single() {
            self.last.insert(fact.subject.speaker_key(), (fact.attribute, at, CORRECTED_WITHIN));
        }
    }
}

impl Fact {
    fn memory_type(&self) -> MemoryType {
        self.attribute.memory_type()
    }

    /// A day begins where the message was said.
    fn into_thought(self, key: String, event: &Event, since: Option<Date>) -> Thought {
        let zone = said_at(event.occurred_at, &event.payload).time_zone().clone();
        let since = since
            .and_then(|day| day.to_zoned(zone).ok())
            .map(|day| day.timestamp())
            .filter(|since| *since <= event.occurred_at);
        let detail = Some(&self.detail).filter(|detail| !detail.is_empty());
        let data = json!({
            "attribute": self.attribute,
            "value": self.value,
            "detail": detail,
            "speaker": self.subject.speaker_key(),
            "relative": self.subject.relative,
            "polarity": self.polarity,
        });
        let mut data = crate::think::object(data);
        data.retain(|_, value| !value.is_null());
        Thought {
            kind: self.memory_type(),
            scope: Scope::User,
            key,
            content: self.content(),
            data: data.into(),
            confidence: self.confidence,
            evidence: vec![event.version],
            elsewhere: Vec::new(),
            since,
            on_conflict: OnConflict::Latest,
            review: false,
        }
    }
}
