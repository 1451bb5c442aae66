//! Reading a value out of a sentence: where it begins is known, where it ends and how it is written is found here.
//!
//! A rule names a [`Reader`]; each of them is a method of [`Sentence`], beside the words it knows.

mod activity;
mod favourite;
mod health;
mod kin;
mod language;
mod name;
mod number;
mod phrase;
mod work;

use std::collections::HashSet;

pub(super) use health::{DIETS, QUALITIES};
pub(super) use kin::{OF_RELATIVES, RELATIONS, RELATIVES, STATUSES};
pub(super) use number::number;

use super::sentence::Sentence;
use super::words::Gap;
use phrase::LONGEST_PHRASE;

/// What kind of value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Place,
    Organisation,
    /// A known occupation.
    Job,
    /// Anything after "works as a".
    AnyJob,
    State,
    Number,
    /// "three children".
    Children,
    /// "two sisters", "a brother".
    Siblings,
    /// "two dogs", "a black cat".
    Pets,
    /// A partner, a son or a daughter.
    Spouse,
    /// What people cannot have.
    Diets,
    Person,
    Relation,
    /// A relative whose "passing" is no examination.
    Elder,
    Relatives,
    Pet,
    Languages,
    Diet,
    Status,
    Condition,
    Date,
    /// A few words that name a thing.
    Phrase,
    /// Several of them: "pizza, pasta and sushi".
    Phrases,
    /// The kind of thing one is the favourite of.
    Category,
    /// What is best of its kind.
    Best,
    /// A sport or an instrument.
    Game,
    /// Something that is done: "painting".
    Doing,
    /// Something that is done, after "to": "paint".
    Verb,
    /// Something that is owned.
    Thing,
    /// What is eaten or drunk.
    Food,
    /// What one is allergic to.
    Allergens,
    /// What is studied.
    Subject,
}

/// Values read, and where the words after them begin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read {
    pub(super) values: Vec<String>,
    pub(super) end: usize,
}

impl Read {
    fn one(value: String, end: usize) -> Option<Self> {
        (!value.is_empty()).then(|| Self { values: vec![value], end })
    }
}

impl Sentence<'_> {
    /// Reads a value that begins at a word.
    pub(super) fn read(&self, reader: Reader, at: usize) -> Option<Read> {
        if self.words.get(at)?.gap == Gap::Break {
            return None;
        }
        match reader {
            Reader::Place => self.place(at),
            Reader::Organisation => self.organisation(at),
            Reader::Job => self.job(at),
            Reader::AnyJob => self.job(at).or_else(|| self.any_job(at)),
            Reader::State => self.state(at),
            Reader::Number => self.age(at),
            Reader::Children => self.children(at),
            Reader::Siblings => self.siblings(at),
            Reader::Pets => self.several(at, Self::pets),
            Reader::Spouse => self.spouse(at),
            Reader::Diets => self.avoided(at),
            Reader::Person => self.person(at),
            Reader::Relation => self.relation(at),
            Reader::Elder => self.elder(at),
            Reader::Relatives => self.relative(at),
            Reader::Pet => self.pet(at),
            Reader::Languages => self.several(at, Self::language),
            Reader::Diet => self.diet(at),
            Reader::Status => self.status(at),
            Reader::Condition => self.condition(at),
            Reader::Date => self.date(at),
            Reader::Phrase => self.phrase(at, LONGEST_PHRASE),
            Reader::Phrases => self.several(at, |sentence, at| sentence.phrase(at, LONGEST_PHRASE)),
            Reader::Category => self.category(at),
            Reader::Best => self.best(at),
            Reader::Game => self.game(at),
            Reader::Doing => self.doing(at),
            Reader::Verb => self.verb(at),
            Reader::Thing => self.thing(at),
            Reader::Food => self.several(at, Self::food),
            Reader::Allergens => self.several(at, |sentence, at| sentence.phrase(at, 2)),
            Reader::Subject => self.subject(at),
        }
    }
}

/// The words of a list: one or more a line, without the lines that begin with `#`.
fn list(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
}
