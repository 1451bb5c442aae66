//! The built-in thinking: from one message to what it names.
//!
//! A message is thought about on its own, so what becomes of it does not depend on how a session was cut into windows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use domain::{Event, Memory, MemoryType, OnConflict, Scope, Thought, Window};
use model::dates::{DateMention, dates_among, said_on};
use model::text;
use model::tokens::tokens;
use serde_json::{Map, Value, json};

use crate::facts;
use crate::lexicon::{self, fold};
use crate::names::{Kind, Mention, names_among};
use crate::said::spoken;

/// How many names and dates one message is believed to hold; a pasted document may hold more.
const MOST_OF_A_KIND: usize = 50;
/// How much of a sentence is quoted.
const LONGEST_QUOTE: usize = 240;
/// The longest name, in characters.
const LONGEST_NAME: usize = 80;
/// How many words tell one date from another on the same day.
const WORDS_OF_A_DATE: usize = 6;
/// The longest such word, in characters.
const LONGEST_WORD: usize = 24;

/// Speakers that are roles, not people.
const ROLES: [&str; 12] = [
    "user", "assistant", "system", "tool", "ai", "bot", "chatbot", "agent", "human", "customer", "support",
    "me",
];
const FIRST_PERSON: [&str; 8] = ["i", "i'm", "i've", "i'll", "i'd", "my", "me", "we"];

/// One entity a message speaks of, before it becomes a thought.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entity {
    pub(crate) key: String,
    pub(crate) content: String,
    pub(crate) data: Map<String, Value>,
    pub(crate) confidence: f32,
}

impl Entity {
    pub(crate) fn into_thought(self, version: i64) -> Thought {
        Thought {
            kind: MemoryType::Entity,
            scope: Scope::User,
            key: self.key,
            content: self.content,
            data: Value::Object(self.data),
            confidence: self.confidence,
            evidence: vec![version],
            on_conflict: OnConflict::Merge,
            review: false,
            elsewhere: Vec::new(),
            since: None,
        }
    }
}

/// What a window names and tells of its speakers, message by message.
pub(crate) fn window(window: &Window, known: &[Memory]) -> Vec<Thought> {
    let mut thoughts: Vec<Thought> = window.events.iter().flat_map(think).collect();
    thoughts.extend(facts::think(window, known));
    thoughts.sort_by_key(|thought| thought.evidence.first().copied());
    thoughts
}

/// What a message names: one thought per entity, in the order of their keys.
pub(crate) fn think(event: &Event) -> Vec<Thought> {
    if !event.is_said() {
        return Vec::new();
    }
    // Captions and links are not said; what is said stands where it stood.
    let event = &Event { content: spoken(&event.content), ..event.clone() };
    let tokens = tokens(&event.content);
    let sentences: Vec<Sentence<'_>> = text::sentence_spans(&event.content)
        .into_iter()
        .filter_map(|span| Some(Sentence::new(event.content.get(span.clone())?, span)))
        .collect();
    let mut entities = BTreeMap::new();

    let said_on = said_on(event.occurred_at, &event.payload);
    let found: Vec<(&Sentence<'_>, DateMention)> = sentences
        .iter()
        .flat_map(|sentence| {
            let first = tokens.partition_point(|token| token.start < sentence.span.start);
            let end = tokens.partition_point(|token| token.start < sentence.span.end);
            let words = tokens.get(first..end).unwrap_or_default();
            dates_among(&event.content, words, said_on).into_iter().map(move |date| (sentence, date))
        })
        .take(MOST_OF_A_KIND)
        .collect();
    for (sentence, date) in &found {
        keep(&mut entities, date_entity(event, sentence, date));
    }

    let is_date = |span: &Range<usize>| {
        found.iter().any(|(_, date)| span.start < date.span.end && date.span.start < span.end)
    };
    let mut sentence_of = sentences.iter().peekable();
    let named = names_among(&event.content, &tokens).into_iter().filter(|mention| !is_date(&mention.span));
    let named: Vec<Mention> = named.take(MOST_OF_A_KIND).collect();
    for mention in &named {
        while sentence_of.next_if(|sentence| sentence.span.end <= mention.span.start).is_some() {}
        if let Some(sentence) = sentence_of.peek() {
            keep(&mut entities, name_entity(event, sentence, mention, full_name(mention, &named)));
        }
    }
    keep(&mut entities, speaker_entity(event, &sentences));

    entities.into_values().map(|entity: Entity| entity.into_thought(event.version)).collect()
}

/// A sentence of a message, and how much it says.
struct Sentence<'a> {
    text: &'a str,
    span: Range<usize>,
    /// How many words carry meaning.
    weight: usize,
}

impl<'a> Sentence<'a> {
    fn new(text: &'a str, span: Range<usize>) -> Self {
        let weight = text::words(text).filter(|word| !text::is_stop_word(&word.to_lowercase())).count();
        Self { text, span, weight }
    }

    /// Up to 0.09: of two accounts that are equally sure, the one that says more is kept.
    fn substance(&self) -> f32 {
        f32::from(u8::try_from(self.weight.min(9)).unwrap_or_default()) / 100.0
    }
}

/// Two mentions of one thing in a message are one entity: the surer account, under every spelling.
fn keep(entities: &mut BTreeMap<String, Entity>, entity: Option<Entity>) {
    let Some(entity) = entity else { return };
    match entities.entry(entity.key.clone()) {
        Entry::Vacant(place) => {
            place.insert(entity);
        }
        Entry::Occupied(mut place) => {
            let known = place.get_mut();
            let (mut better, other) = if entity.confidence > known.confidence {
                (entity, known.clone())
            } else {
                (known.clone(), entity)
            };
            for list in ["aliases", "expressions"] {
                let both = [&better.data, &other.data].into_iter().filter_map(|data| data.get(list));
                let mut all: Vec<Value> = both.filter_map(Value::as_array).flatten().cloned().collect();
                all.sort_by_key(Value::to_string);
                all.dedup();
                if !all.is_empty() {
                    better.data.insert(list.to_owned(), Value::Array(all));
                }
            }
            *known = better;
        }
    }
}

/// The one person of a message whom a bare "Ana" or "Souza" in it means: "Ana Souza".
fn full_name<'a>(mention: &'a Mention, named: &'a [Mention]) -> &'a Mention {
    let part = fold(&mention.name);
    if part.contains(' ') || !matches!(mention.kind, Kind::Person | Kind::Thing) {
        return mention;
    }
    let mut meant: Option<&Mention> = None;
    for whole in named.iter().filter(|whole| whole.kind == Kind::Person) {
        let name = fold(without_title(&whole.name));
        let is_part = name.split_once(' ').is_some_and(|(first, _)| first == part)
            || name.rsplit_once(' ').is_some_and(|(_, last)| last == part);
        match meant {
            _ if !is_part => {}
            Some(other) if fold(without_title(&other.name)) != name => return mention,
            _ => meant = Some(whole),
        }
    }
    meant.unwrap_or(mention)
}

/// "Ana Souza" of "Dr. Ana Souza"; the title stays in the aliases.
fn without_title(name: &str) -> &str {
    const TITLES: [&str; 13] = [
        "dr", "mr", "mrs", "ms", "miss", "prof", "professor", "sir", "madam", "rev", "senator", "president",
        "governor",
    ];
    match name.split_once(' ') {
        Some((title, rest)) if TITLES.contains(&title.trim_end_matches('.').to_lowercase().as_str()) => {
            rest.trim()
        }
        _ => name,
    }
}

fn name_entity(event: &Event, sentence: &Sentence<'_>, mention: &Mention, whole: &Mention) -> Option<Entity> {
    let name = spelled(without_title(&whole.name));
    let key = name_key(&name)?;
    let written = match event.content.get(..mention.span.start).filter(|before| before.ends_with('@')) {
        Some(_) => format!("@{}", mention.name),
        None => mention.name.clone(),
    };
    let within = mention.span.start.saturating_sub(sentence.span.start);
    let kind = whole.kind;
    let what = if kind == Kind::Thing { String::new() } else { format!(" ({})", kind.as_str()) };
    Some(Entity {
        key,
        content: format!("{name}{what}. {}", quote(event, sentence.text, within)),
        data: object(json!({ "name": name, "kind": kind, "aliases": [written] })),
        confidence: rounded(mention.confidence + sentence.substance()),
    })
}

/// The person speaking, when they say something of themselves.
fn speaker_entity(event: &Event, sentences: &[Sentence<'_>]) -> Option<Entity> {
    let name = event.speaker.as_deref()?.trim();
    if !is_personal_name(name) {
        return None;
    }
    let of_self = sentences.iter().filter(|sentence| {
        text::words(sentence.text)
            .any(|word| FIRST_PERSON.contains(&word.to_lowercase().replace('’', "'").as_str()))
    });
    // The first of the richest sentences.
    let sentence = of_self.rev().max_by_key(|sentence| sentence.weight)?;
    let name = spelled(name);
    Some(Entity {
        key: name_key(&name)?,
        content: format!("{name} (person). {}", quote(event, sentence.text, 0)),
        data: object(json!({ "name": name, "kind": Kind::Person, "aliases": [name] })),
        confidence: rounded(0.85 + sentence.substance()),
    })
}

/// Whether a speaker's name is a person's, and not a role or an identifier.
pub(crate) fn is_personal_name(name: &str) -> bool {
    name.starts_with(char::is_alphabetic)
        && !name.contains(|c: char| c.is_ascii_digit() || matches!(c, '@' | '#' | ':' | '/' | '_'))
        && !ROLES.contains(&name.to_lowercase().as_str())
}

/// A date is remembered with what it is the date of; a bare "see you tomorrow" is not remembered.
fn date_entity(event: &Event, sentence: &Sentence<'_>, date: &DateMention) -> Option<Entity> {
    let expression = event.content.get(date.span.clone())?;
    let before = event.content.get(sentence.span.start..date.span.start).unwrap_or_default();
    let after = event.content.get(date.span.end..sentence.span.end).unwrap_or_default();
    let what: Vec<String> = text::content_stems(before)
        .chain(text::content_stems(after))
        .filter(|stem| stem.chars().any(char::is_alphabetic))
        .map(|stem| stem.chars().take(LONGEST_WORD).collect())
        .take(WORDS_OF_A_DATE)
        .collect();
    if date.relative && what.len() < 2 {
        return None;
    }
    let iso = date.period.iso();
    let name = date.period.in_words();
    Some(Entity {
        key: format!("date:{iso}:{}", what.join("-")),
        content: format!("{name} (date). {}", quote(event, sentence.text, before.len())),
        data: object(json!({
            "name": name,
            "kind": Kind::Date,
            "start": date.period.start.to_string(),
            "end": date.period.end.to_string(),
            "granularity": date.period.granularity,
            "expressions": [expression],
        })),
        confidence: rounded(date.confidence.min(0.9) + sentence.substance()),
    })
}

/// What identifies a name: the name alone, because of what kind it is is a guess that differs from one message to
/// another.
pub(crate) fn name_key(name: &str) -> Option<String> {
    let folded = fold(name);
    (!folded.is_empty() && folded.chars().count() <= LONGEST_NAME).then(|| format!("name:{folded}"))
}

/// A name as it is usually written: as in the lists, and never all in small letters.
pub(crate) fn spelled(name: &str) -> String {
    if let Some(known) = lexicon::spelling(&fold(name)) {
        return known.to_owned();
    }
    let is_small = !name.chars().any(char::is_uppercase);
    let is_loud = !name.chars().any(char::is_lowercase);
    if is_small || (is_loud && lexicon::is_given_name(&name.to_lowercase())) {
        name.split(' ').map(capitalised).collect::<Vec<_>>().join(" ")
    } else {
        name.to_owned()
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect()
    })
}

/// Who said it and what, around a place in the sentence.
fn quote(event: &Event, sentence: &str, around: usize) -> String {
    let speaker = match event.speaker.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => name.chars().take(LONGEST_NAME).collect(),
        None if event.role.is_empty() => "Someone".to_owned(),
        None => format!("The {}", event.role),
    };
    format!("{speaker} said: {}", clipped(sentence, around))
}

/// A sentence with plain spaces, cut at words to what fits around a place in it.
fn clipped(sentence: &str, around: usize) -> String {
    let mut start = 0;
    if sentence.len() > LONGEST_QUOTE {
        let earliest = sentence.floor_char_boundary(around.saturating_sub(LONGEST_QUOTE / 2));
        let last_start = sentence.floor_char_boundary(sentence.len() - LONGEST_QUOTE);
        start = earliest.min(last_start);
    }
    let end = sentence.floor_char_boundary(start + LONGEST_QUOTE);
    let mut piece = sentence.get(start..end).unwrap_or_default();
    if end < sentence.len() {
        piece = piece.rsplit_once(char::is_whitespace).map_or(piece, |(whole, _)| whole);
    }
    if start > 0 {
        piece = piece.split_once(char::is_whitespace).map_or(piece, |(_, whole)| whole);
    }
    let words = piece.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (if start > 0 { "… " } else { "" }, if end < sentence.len() { " …" } else { "" });
    format!("{before}{words}{after}")
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// In hundredths, at most 1, so that the same account has the same confidence wherever it is computed.
fn rounded(confidence: f32) -> f32 {
    (confidence * 100.0).round().clamp(0.0, 100.0) / 100.0
}
