//! Reading a value out of a sentence: where it begins is known, where it ends and how it is written is found here.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use jiff::civil::Date;
use model::dates::{DateMention, Granularity};
use model::text;
use model::tokens::Case;

use super::lists::{
    ADVERBS, BELONGINGS, CONDITIONS, DIETS, ENDINGS, ENDS, FOODS, OF_BODIES, OF_RELATIVES, OF_SKILL,
    OF_THE_MOMENT, PETS, PREPOSITIONS, QUALITIES, RELATIONS, RELATIVES, STATUSES, THE_GENERAL, VAGUE,
    WORKPLACES,
};
use super::words::{Gap, Word};
use crate::lexicon::{self, fold};
use crate::names::Kind;
use crate::think::spelled;

/// The longest name of a place, person or body, in words.
const LONGEST_NAME: usize = 4;
/// The longest thing that is liked, in words.
const LONGEST_PHRASE: usize = 5;

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

/// A sentence in which values are read.
#[derive(Debug)]
pub(super) struct Sentence<'a> {
    pub(super) words: Vec<Word<'a>>,
    pub(super) dates: Vec<DateMention>,
    /// Who speaks in the conversation, as names are folded.
    pub(super) speakers: &'a BTreeSet<String>,
}

static OCCUPATIONS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| list(include_str!("../../lexicon/occupations.txt")));
static LANGUAGES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| list(include_str!("../../lexicon/languages.txt")));

fn list(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
}

/// Whether a word may stand anywhere in a sentence without a change to what it says.
pub(super) fn is_adverb(word: &str) -> bool {
    ADVERBS.contains(&word)
}

impl<'a> Sentence<'a> {
    pub(super) fn lower(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.lower.as_str())
    }

    /// The word `at`, unless something other than spaces stands before it.
    pub(super) fn joined(&self, at: usize) -> Option<&Word<'a>> {
        self.words.get(at).filter(|word| word.gap == Gap::None)
    }

    /// Whether nothing more is said before the next mark or conjunction.
    pub(super) fn ends_at(&self, at: usize) -> bool {
        self.words.get(at).is_none_or(|word| {
            word.gap != Gap::None
                || self.is_date(word)
                || matches!(
                    word.lower.as_str(),
                    "and"
                        | "but"
                        | "so"
                        | "now"
                        | "too"
                        | "because"
                        | "since"
                        | "any"
                        | "though"
                        | "again"
                        | "either"
                        | "who"
                        | "already"
                        | "today"
                        | "yesterday"
                )
        })
    }

    pub(super) fn is_date(&self, word: &Word<'_>) -> bool {
        self.dates.iter().any(|date| date.span.start <= word.start && word.start < date.span.end)
    }

    /// Reads a value that begins at a word.
    pub(super) fn read(&self, reader: Reader, at: usize) -> Option<Read> {
        let first = self.words.get(at)?;
        if first.gap == Gap::Break {
            return None;
        }
        match reader {
            Reader::Place => self.place(at),
            Reader::Organisation => self.organisation(at),
            Reader::Job => self.job(at),
            Reader::AnyJob => self.job(at).or_else(|| self.any_job(at)),
            Reader::State => self.state(at),
            Reader::Number => {
                let number = number(&first.lower).filter(|number| (3..=110).contains(number))?;
                Read::one(number.to_string(), at + 1)
            }
            Reader::Children => {
                let count = self.count(at)?;
                let name = match (self.lower(at + 1), count) {
                    ("child", 1) => "child",
                    ("children", 2..) => "children",
                    _ => return None,
                };
                Read::one(format!("{count} {name}"), at + 2)
            }
            Reader::Siblings => self.siblings(at),
            Reader::Pets => self.several(at, Self::pets),
            Reader::Spouse => {
                let name = relation(&first.lower)?;
                let close =
                    ["wife", "husband", "girlfriend", "boyfriend", "fiancé", "fiancée", "son", "daughter"];
                close.contains(&name).then(|| Read::one(name.to_owned(), at + 1))?
            }
            Reader::Diets => {
                let known = FOODS.contains(&first.lower.as_str()) && self.ends_at(at + 1);
                known.then(|| Read::one(first.lower.clone(), at + 1))?
            }
            Reader::Person => self.person(at),
            Reader::Relation => self.relation(at),
            Reader::Elder => {
                let elders = ["mother", "father", "grandmother", "grandfather", "husband", "wife"];
                self.relation(at)
                    .filter(|read| read.values.iter().all(|value| elders.contains(&value.as_str())))
            }
            Reader::Relatives => {
                let (_, name) = RELATIVES.iter().find(|(word, _)| *word == first.lower)?;
                Read::one((*name).to_owned(), at + 1)
            }
            Reader::Pet => self.pet(at),
            Reader::Languages => self.several(at, Self::language),
            Reader::Diet => {
                let (_, name) = DIETS.iter().find(|(word, _)| *word == first.lower)?;
                Read::one((*name).to_owned(), at + 1)
            }
            Reader::Status => {
                let name = STATUSES.iter().find(|word| **word == first.lower)?;
                Read::one((*name).to_owned(), at + 1)
            }
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

    /// Words that are written as a name is: with capitals, or known from a list in small letters.
    fn name(&self, at: usize, known: impl Fn(&str) -> bool) -> Option<(String, usize)> {
        let listed = (1..=LONGEST_NAME).rev().find_map(|length| {
            let name = self.plain(at, length)?;
            known(&fold(&name)).then_some((name, at + length))
        });
        let mut end = at;
        while end < at + LONGEST_NAME
            && let Some(word) = self.words.get(end).filter(|word| end == at || word.gap == Gap::None)
            && matches!(word.case, Case::Capital | Case::Upper | Case::Mixed)
            && !word.text.is_empty()
            && word.lower != "i"
            && !(crate::names::is_calendar_word(&word.lower) || word.opens && end == at)
        {
            end += 1;
            let links = matches!(self.lower(end), "'s" | "of" | "de" | "da" | "do" | "del" | "la" | "the");
            let goes_on =
                self.joined(end + 1).is_some_and(|word| word.case == Case::Capital && word.lower != "i");
            if links && self.joined(end).is_some() && goes_on {
                end += 1;
            }
        }
        match listed {
            Some((name, listed_end)) if listed_end >= end => Some((name, listed_end)),
            _ if end > at => Some((self.plain(at, end - at)?, end)),
            _ => None,
        }
    }

    /// Words as written, with single spaces; none when a mark stands between them.
    fn plain(&self, at: usize, length: usize) -> Option<String> {
        let words = self.words.get(at..at + length)?;
        if words.iter().skip(1).any(|word| word.gap != Gap::None) {
            return None;
        }
        let mut name = String::new();
        for word in words {
            let written = if word.text.is_empty() { word.lower.as_str() } else { word.text };
            if word.text.is_empty() && word.lower != "'s" {
                return None;
            }
            if !name.is_empty() && word.lower != "'s" {
                name.push(' ');
            }
            name.push_str(written);
        }
        (!name.ends_with("'s")).then_some(name)
    }

    fn place(&self, at: usize) -> Option<Read> {
        let at = at
            + usize::from(matches!(self.lower(at), "the" | "sunny" | "beautiful" | "downtown" | "central"));
        let (name, mut end) = self.name(at, |folded| lexicon::listed(folded) == Some(Kind::Place))?;
        let folded = fold(&name);
        let kind = lexicon::listed(&folded);
        let everyday = kind.is_none() && name.split(' ').all(|word| lexicon::is_common(&word.to_lowercase()));
        if everyday || kind.is_some_and(|kind| kind != Kind::Place) || is_language(&folded) {
            return None;
        }
        // "Porto, Portugal" is Porto.
        if self.words.get(end).is_some_and(|word| word.gap == Gap::Comma)
            && let Some((region, after)) =
                self.name(end, |folded| lexicon::listed(folded) == Some(Kind::Place))
            && lexicon::listed(&fold(&region)) == Some(Kind::Place)
        {
            end = after;
        }
        Read::one(spelled(&name), end)
    }

    fn organisation(&self, at: usize) -> Option<Read> {
        let article = matches!(self.lower(at), "a" | "an" | "the");
        let start = at + usize::from(article);
        let before = at.checked_sub(1).map_or("", |before| self.lower(before));
        if let Some((name, end)) =
            self.name(start, |folded| lexicon::listed(folded) == Some(Kind::Organisation))
        {
            let listed = lexicon::listed(&fold(&name));
            let first = name.split(' ').next().unwrap_or_default().to_lowercase();
            let is_named_so = listed == Some(Kind::Organisation)
                || name.to_lowercase().split(' ').any(|word| OF_BODIES.contains(&word.trim_end_matches('.')));
            // People work with people and tools, and at bodies.
            let is_body = match listed {
                Some(Kind::Organisation) => true,
                Some(Kind::Thing) => before == "at",
                Some(_) => false,
                None => is_named_so || before != "with" && !lexicon::is_given_name(&first),
            };
            let says_nothing = name.split(' ').all(|word| text::is_stop_word(&word.to_lowercase()));
            if is_body && !says_nothing {
                return Read::one(spelled(&name), end);
            }
        }
        if before == "with" || !matches!(self.lower(at), "a" | "an" | "the" | "my") {
            return None;
        }
        let length = (1..=4).find(|length| WORKPLACES.contains(&self.lower(at + length)))?;
        let words = self.words.get(at + 1..=at + length)?;
        if words.iter().any(|word| word.gap != Gap::None || ENDS.contains(&word.lower.as_str())) {
            return None;
        }
        let name = words.iter().map(|word| word.lower.as_str()).collect::<Vec<_>>().join(" ");
        let article = match self.lower(at) {
            "an" => "an",
            "the" => "the",
            _ => "a",
        };
        if self.lower(at) == "my" || (article == "the" && length == 1) {
            return None;
        }
        Read::one(format!("{article} {name}"), at + length + 1)
    }

    fn job(&self, at: usize) -> Option<Read> {
        let length = (1..=4).rev().find(|length| {
            let last = self.lower(at + length - 1);
            is_occupation(last)
                && self.words.get(at..at + length).is_some_and(|words| {
                    words.iter().skip(1).all(|word| word.gap == Gap::None)
                        && words.iter().all(|word| {
                            !word.text.is_empty()
                                && !ENDS.contains(&word.lower.as_str())
                                && !PREPOSITIONS.contains(&word.lower.as_str())
                                && !OF_SKILL.contains(&word.lower.as_str())
                                && !["ful", "less", "ous"].iter().any(|end| word.lower.ends_with(end))
                        })
                })
        })?;
        let mut words: Vec<String> = self
            .words
            .get(at..at + length)?
            .iter()
            .map(|word| if word.case == Case::Upper { word.text.to_owned() } else { word.lower.clone() })
            .collect();
        while words.len() > 1
            && words.first().is_some_and(|word| {
                is_adverb(word)
                    || matches!(
                        word.as_str(),
                        "a" | "an" | "the" | "new" | "full-time" | "part-time" | "proud"
                    )
            })
        {
            words.remove(0);
        }
        // "a doctor's daughter", "a driver update"
        let next = self.joined(at + length).map_or("", |word| word.lower.as_str());
        let goes_on = !next.is_empty()
            && !self.ends_at(at + length)
            && !ENDS.contains(&next)
            && !PREPOSITIONS.contains(&next)
            && !is_adverb(next)
            && !matches!(next, "of" | "full-time" | "part-time")
            && !is_doing(next);
        if next == "'s" || goes_on {
            return None;
        }
        // "data engineer manager team": only what belongs to the last occupation is read; a following noun is not.
        Read::one(words.join(" "), at + length)
    }

    fn any_job(&self, at: usize) -> Option<Read> {
        let read = self.phrase(at, 3)?;
        let value = read.values.first()?;
        let vague = ["team", "family", "couple", "group", "way", "whole", "result", "charm", "source"];
        (!vague.iter().any(|word| value.ends_with(word))).then_some(read)
    }

    fn state(&self, at: usize) -> Option<Read> {
        let (value, length) = match (self.lower(at), self.lower(at + 1)) {
            ("retired", _) => ("retired", 1),
            ("unemployed", _) => ("unemployed", 1),
            ("self-employed", _) => ("self-employed", 1),
            ("between", "jobs") => ("between jobs", 2),
            _ => return None,
        };
        Read::one(value.to_owned(), at + length)
    }

    fn person(&self, at: usize) -> Option<Read> {
        let (name, end) = self.name(at, |folded| !folded.contains(' ') && lexicon::is_given_name(folded))?;
        let known = name.split(' ').any(|word| lexicon::is_given_name(&word.to_lowercase()));
        let everyday = name.split(' ').all(|word| word.len() > 2 && text::is_stop_word(&word.to_lowercase()));
        let place = lexicon::listed(&fold(&name)).is_some();
        // "It's my dog, Bob!" is said to Bob; "my dog, Rex, is old" is of Rex, unless Rex is one of those who speak.
        let set_off = self.words.get(at).is_some_and(|word| word.gap == Gap::Comma);
        let is_set_off = self.words.get(end).is_some_and(|word| word.gap == Gap::Comma);
        if set_off && (!is_set_off || self.speakers.contains(&fold(&name))) {
            return None;
        }
        let shouted = self.words.get(at..end)?.iter().all(|word| word.case == Case::Upper);
        (known || !everyday && !place && !shouted).then(|| Read::one(spelled(&name), end))?
    }

    fn relation(&self, at: usize) -> Option<Read> {
        let mut at = at;
        while OF_RELATIVES.contains(&self.lower(at))
            && self.joined(at + 1).is_some()
            && relation(self.lower(at + 1)).is_some()
        {
            at += 1;
        }
        Read::one(relation(self.lower(at))?.to_owned(), at + 1)
    }

    fn count(&self, at: usize) -> Option<u32> {
        match self.lower(at) {
            "a" | "an" => Some(1),
            word => number(word),
        }
    }

    fn pets(&self, at: usize) -> Option<Read> {
        let count = self.count(at)?;
        let pet = self.pet(at + 1)?;
        let name = pet.values.first()?;
        if name.ends_with('s') != (count > 1) {
            return None;
        }
        Read::one(if count > 1 { format!("{count} {name}") } else { name.clone() }, pet.end)
    }

    fn siblings(&self, at: usize) -> Option<Read> {
        let count = self.count(at)?;
        let mut at = at + 1;
        if OF_RELATIVES.contains(&self.lower(at)) {
            at += 1;
        }
        let word = self.lower(at);
        let (_, one) = RELATIVES.iter().find(|(known, _)| *known == word)?;
        let value = if count > 1 { format!("{count} {word}") } else { (*one).to_owned() };
        Read::one(value, at + 1)
    }

    fn pet(&self, at: usize) -> Option<Read> {
        let length = (1..=3).find(|length| {
            PETS.iter().any(|(word, _)| *word == self.lower(at + length - 1))
                && (at + 1..at + length).all(|at| self.joined(at).is_some())
        })?;
        let before = self.words.get(at..at + length - 1)?;
        if before
            .iter()
            .any(|word| ENDS.contains(&word.lower.as_str()) || PREPOSITIONS.contains(&word.lower.as_str()))
        {
            return None;
        }
        let (_, name) = PETS.iter().find(|(word, _)| *word == self.lower(at + length - 1))?;
        // "a dog person", "cat food"
        let next = self.joined(at + length).map_or("", |word| word.lower.as_str());
        if matches!(
            next,
            "person" | "people" | "food" | "lover" | "walker" | "park" | "shelter" | "day" | "show" | "toy"
        ) {
            return None;
        }
        Read::one((*name).to_owned(), at + length)
    }

    fn language(&self, at: usize) -> Option<Read> {
        let at = at
            + usize::from(matches!(
                self.lower(at),
                "fluent" | "some" | "good" | "basic" | "a" | "native" | "conversational"
            ));
        let at = at
            + usize::from(matches!(self.lower(at), "little" | "bit"))
            + usize::from(self.lower(at + 1) == "of");
        let name = LANGUAGES.get(self.lower(at))?;
        Read::one(capitalised(name), at + 1)
    }

    fn condition(&self, at: usize) -> Option<Read> {
        let at = at
            + usize::from(matches!(
                self.lower(at),
                "a" | "mild" | "severe" | "chronic" | "bad" | "type-1" | "type-2"
            ));
        let two = format!("{} {}", self.lower(at), self.lower(at + 1));
        if QUALITIES.contains(&two.as_str()) {
            return Read::one(two, at + 2);
        }
        let word = match self.lower(at) {
            "color-blind" | "colorblind" | "colourblind" => "colour-blind",
            "lactose-intolerant" => "lactose intolerant",
            "coeliac" => "celiac",
            word => word,
        };
        let of_a_moment = matches!(self.lower(at + 1), "about" | "attack" | "attacks" | "over")
            || word == "migraine"
            || matches!(self.lower(at + 1), "today" | "tonight" | "right" | "again")
            || self.joined(at + 1).is_some_and(|word| self.is_date(word));
        let known = !of_a_moment && (QUALITIES.contains(&word) || CONDITIONS.contains(&word));
        let value = if word == "adhd" || word == "ibs" || word == "ptsd" {
            word.to_uppercase()
        } else {
            word.to_owned()
        };
        known.then(|| Read::one(value, at + 1))?
    }

    /// A day, a month or a year as it is said of a birthday: without the year when it is not said.
    fn date(&self, at: usize) -> Option<Read> {
        let mut at = at;
        while matches!(self.lower(at), "on" | "in" | "the") {
            at += 1;
        }
        let start = self.words.get(at)?.start;
        let date = self.dates.iter().find(|date| date.span.start <= start && start < date.span.end)?;
        let end = self.words.iter().position(|word| word.start >= date.span.end).unwrap_or(self.words.len());
        let words = self.words.get(at..end)?;
        let says_year = words
            .iter()
            .any(|word| word.lower.len() == 4 && word.lower.bytes().all(|byte| byte.is_ascii_digit()));
        let day: Date = date.period.start;
        let value = match (date.period.granularity, says_year) {
            (Granularity::Day, true) => day.strftime("%-d %B %Y").to_string(),
            (Granularity::Day, false) => day.strftime("%-d %B").to_string(),
            (Granularity::Month, false) => format!("in {}", day.strftime("%B")),
            (Granularity::Month, true) => format!("in {}", day.strftime("%B %Y")),
            (Granularity::Year, _) => format!("in {}", day.year()),
            _ => return None,
        };
        Read::one(value, end)
    }

    /// A few words that name something: "spicy food", "spending time with their family".
    fn phrase(&self, at: usize, longest: usize) -> Option<Read> {
        let mut start = at;
        let mut after_the = false;
        while matches!(self.lower(start), "a" | "an" | "all" | "some" | "any" | "the" | "of" | "my" | "our")
            || (is_adverb(self.lower(start)) && start + 1 < self.words.len())
        {
            if matches!(self.lower(start), "my" | "our") {
                return None;
            }
            after_the = self.lower(start) == "the";
            start += 1;
            self.joined(start)?;
        }
        if after_the && !THE_GENERAL.contains(&self.lower(start)) {
            return None;
        }
        let does = is_doing(self.lower(start));
        let mut end = start;
        while end < start + longest + if does { 2 } else { 0 }
            && let Some(word) = self.words.get(end).filter(|word| end == start || word.gap == Gap::None)
        {
            let lower = word.lower.as_str();
            let links = lower == "of" && end > start;
            if (ENDS.contains(&lower) && !(lower == "best" && end > start)) && !links {
                break;
            }
            let how_long = lower == "for"
                && (number(self.lower(end + 1)).is_some()
                    || matches!(
                        self.lower(end + 1),
                        "a" | "many" | "over" | "about" | "years" | "months" | "ages" | "so"
                    ));
            if PREPOSITIONS.contains(&lower) && (how_long || !(does && end > start)) {
                break;
            }
            if self.is_date(word) {
                break;
            }
            end += 1;
        }
        let whole = end;
        while end > start
            && (ENDINGS.contains(&self.lower(end - 1)) || PREPOSITIONS.contains(&self.lower(end - 1)))
        {
            end -= 1;
        }
        // What somebody does to "those", or with what comes after, is not understood; nor is what a clause goes on about.
        let next = self.joined(whole).map_or("", |word| word.lower.as_str());
        let goes_on = matches!(
            next,
            "that"
                | "which"
                | "who"
                | "where"
                | "i"
                | "we"
                | "you"
                | "they"
                | "he"
                | "she"
                | "whose"
                | "those"
                | "this"
                | "these"
        );
        let cut_off = whole > end && PREPOSITIONS.contains(&self.lower(whole - 1));
        if goes_on || (does && cut_off) {
            return None;
        }
        let words = self.words.get(start..end).filter(|words| !words.is_empty())?;
        if words
            .iter()
            .any(|word| OF_THE_MOMENT.contains(&word.lower.as_str()) && !(word.lower == "to" && does))
        {
            return None;
        }
        let carries = words
            .iter()
            .any(|word| !text::is_stop_word(&word.lower) && !VAGUE.contains(&word.lower.as_str()));
        let last = words.last()?;
        if !carries
            || VAGUE.contains(&last.lower.as_str())
            || words.iter().any(|word| word.case == Case::Number) && words.len() == 1
        {
            return None;
        }
        let says_little = match words {
            [only] => only.lower == "playing",
            [first, second, ..] => first.lower == "playing" && PREPOSITIONS.contains(&second.lower.as_str()),
            [] => true,
        };
        let no_object = ["sure", "myself", "yourself", "ourselves"];
        if says_little || words.iter().any(|word| no_object.contains(&word.lower.as_str())) {
            return None;
        }
        // "a safe, inviting place"
        let article = words.len() >= 2
            && words.get(words.len() - 2).is_some_and(|word| matches!(word.lower.as_str(), "a" | "an"));
        if article
            && self
                .words
                .get(end)
                .is_some_and(|word| word.gap == Gap::Comma && !text::is_stop_word(&word.lower))
        {
            return None;
        }
        // A phrase that is cut short by its length is not understood.
        let is_cut = end == start + longest + if does { 2 } else { 0 }
            && !self.ends_at(end)
            && self.words.get(end).is_some_and(|word| {
                !ENDS.contains(&word.lower.as_str()) && !PREPOSITIONS.contains(&word.lower.as_str())
            });
        if is_cut {
            return None;
        }
        let is_title = words.len() > 1
            && words.iter().all(|word| {
                word.case != Case::Lower || matches!(word.lower.as_str(), "of" | "the" | "and" | "a")
            })
            && words.first().is_some_and(|word| !word.opens);
        let value: Vec<String> = if is_title {
            words.iter().map(|word| word.text.to_owned()).collect()
        } else {
            words.iter().map(|word| written(word)).collect()
        };
        let the = if after_the { "the " } else { "" };
        Read::one(format!("{the}{}", value.join(" ").replace(" 's", "'s")), end)
    }

    /// Several values of a kind: "pizza, pasta and sushi".
    fn several(&self, at: usize, read: impl Fn(&Self, usize) -> Option<Read>) -> Option<Read> {
        let mut found = read(self, at)?;
        let is_long_doing = found
            .values
            .first()
            .is_some_and(|value| value.split_once(' ').is_some_and(|(first, _)| is_doing(first)));
        loop {
            let next = self.words.get(found.end);
            let conjunction = matches!(self.lower(found.end), "and" | "or")
                && next.is_some_and(|word| word.gap != Gap::Break);
            let comma = next.is_some_and(|word| word.gap == Gap::Comma);
            let after = found.end + usize::from(conjunction);
            // A comma only joins when an "and" or "or" follows sooner or later.
            let closes = (found.end..(found.end + 12).min(self.words.len()))
                .take_while(|at| self.words.get(*at).is_some_and(|word| word.gap != Gap::Break))
                .any(|at| matches!(self.lower(at), "and" | "or"));
            if !(conjunction || comma && closes)
                || self.words.get(after).is_none_or(|word| conjunction && word.gap != Gap::None)
            {
                return Some(found);
            }
            let Some(more) = read(self, after) else { return Some(found) };
            let fits = more.values.iter().all(|value| {
                let first = value.split(' ').next().unwrap_or_default();
                // In "improving schools and roads" the second belongs to what is done.
                let belongs = is_long_doing && !is_doing(first);
                value.split(' ').count() <= 3 && !is_finite(first) && !belongs
            });
            if !fits
                || !(self.ends_at(more.end)
                    || self
                        .words
                        .get(more.end)
                        .is_some_and(|word| PREPOSITIONS.contains(&word.lower.as_str())))
            {
                return Some(found);
            }
            found.values.extend(more.values);
            found.end = more.end;
        }
    }

    fn food(&self, at: usize) -> Option<Read> {
        let read = self.phrase(at, 2)?;
        read.values.iter().all(|value| !is_doing(value.split(' ').next().unwrap_or_default())).then_some(read)
    }

    /// "movie", "kind of music".
    fn category(&self, at: usize) -> Option<Read> {
        let mut words = Vec::new();
        let mut end = at;
        while end < at + 4
            && let Some(word) = self.words.get(end).filter(|word| word.gap == Gap::None)
        {
            if matches!(
                word.lower.as_str(),
                "is" | "are" | "was" | "were" | "has" | "have" | "of" | "to" | "would" | "'s"
            ) || ENDS.contains(&word.lower.as_str())
                || OF_THE_MOMENT.contains(&word.lower.as_str())
            {
                break;
            }
            words.push(word.lower.clone());
            end += 1;
        }
        let vague = words.last().is_none_or(|last| {
            matches!(
                last.as_str(),
                "thing"
                    | "things"
                    | "part"
                    | "way"
                    | "one"
                    | "ones"
                    | "bit"
                    | "stuff"
                    | "time"
                    | "photo"
                    | "pic"
                    | "picture"
                    | "memory"
                    | "memories"
                    | "moment"
                    | "so"
                    | "yet"
                    | "far"
                    | "person"
                    | "people"
                    | "piece"
            )
        });
        (!vague).then(|| Read::one(words.join(" "), end))?
    }

    /// What is said to be best: like a phrase, a title in quotation marks, or a name with "the".
    fn best(&self, at: usize) -> Option<Read> {
        let definitely = at + usize::from(is_adverb(self.lower(at)));
        if let Some((name, end)) = self.name(definitely, |folded| lexicon::listed(folded).is_some())
            && !name.split(' ').all(|word| {
                lexicon::is_common(&word.to_lowercase())
                    && !self.words.get(definitely).is_some_and(|word| word.quoted)
            })
        {
            return Read::one(spelled(&name), end);
        }
        if self.words.get(definitely).is_some_and(|word| word.quoted) {
            let length = self.words.iter().skip(definitely).take_while(|word| word.quoted).count().min(8);
            return Read::one(self.plain(definitely, length)?, definitely + length);
        }
        let read = self.phrase(definitely, 3)?;
        let value = read.values.first()?;
        let known = !is_doing(value) || !value.contains(' ');
        (known && self.ends_at(read.end)).then_some(read)
    }

    fn game(&self, at: usize) -> Option<Read> {
        let start = at + usize::from(matches!(self.lower(at), "the" | "some"));
        let read = self.phrase(start, 2)?;
        let value = read.values.first()?;
        let last = value.split(' ').next_back()?;
        let vague = matches!(
            last,
            "games"
                | "game"
                | "music"
                | "role"
                | "shows"
                | "show"
                | "gigs"
                | "songs"
                | "dead"
                | "matches"
                | "roles"
                | "fetch"
                | "tricks"
        );
        (!vague && !is_doing(value) && !last.ends_with("ly")).then_some(read)
    }

    /// "painting", "running marathons".
    fn doing(&self, at: usize) -> Option<Read> {
        let first = self.words.get(at)?;
        let vague = [
            "thinking", "trying", "getting", "going", "doing", "working", "looking", "feeling", "being",
            "having", "making", "talking", "waiting", "wanting", "meaning", "seeing", "dealing",
            "struggling", "living", "searching", "considering", "wondering", "staying", "keeping", "taking",
            "using", "putting", "saving", "planning", "hoping", "focusing", "coming", "starting", "asking",
            "telling", "married", "dating",
        ];
        if !is_doing(&first.lower) || vague.contains(&first.lower.as_str()) {
            return None;
        }
        self.phrase(at, 2)
            .filter(|read| read.values.iter().all(|value| value != "playing" && value != "learning"))
    }

    /// "paint", as "painting".
    fn verb(&self, at: usize) -> Option<Read> {
        let first = self.words.get(at)?;
        if text::is_stop_word(&first.lower)
            || OF_THE_MOMENT.contains(&first.lower.as_str())
            || matches!(
                first.lower.as_str(),
                "see"
                    | "hear"
                    | "know"
                    | "say"
                    | "think"
                    | "keep"
                    | "get"
                    | "make"
                    | "give"
                    | "take"
                    | "help"
                    | "start"
                    | "stay"
                    | "learn"
                    | "share"
                    | "come"
                    | "go"
                    | "try"
            )
        {
            return None;
        }
        let mut read = Read { values: Vec::new(), end: at + 1 };
        if let Some(more) = self.joined(at + 1).and_then(|_| self.phrase(at + 1, 2)) {
            read = Read { values: more.values, end: more.end };
        } else if !self.ends_at(at + 1) {
            return None;
        }
        let rest = read.values.first().map(|value| format!(" {value}")).unwrap_or_default();
        Read::one(format!("{}{rest}", gerund(&first.lower)), read.end)
    }

    fn thing(&self, at: usize) -> Option<Read> {
        let length = (1..=4).find(|length| BELONGINGS.contains(&self.lower(at + length - 1)))?;
        let words = self.words.get(at..at + length)?;
        let fits = words.iter().skip(1).all(|word| word.gap == Gap::None)
            && words.iter().all(|word| {
                !ENDS.contains(&word.lower.as_str()) && !PREPOSITIONS.contains(&word.lower.as_str())
            });
        let next = self.joined(at + length).map_or("", |word| word.lower.as_str());
        let is_whole = next.is_empty()
            || self.ends_at(at + length)
            || ENDS.contains(&next)
            || PREPOSITIONS.contains(&next);
        if !fits || !is_whole {
            return None;
        }
        Read::one(words.last()?.lower.clone(), at + length)
    }

    fn subject(&self, at: usize) -> Option<Read> {
        if matches!(
            self.lower(at),
            "for" | "hard" | "abroad" | "at" | "in" | "on" | "about" | "to" | "with" | "every" | "all"
        ) {
            return None;
        }
        let read = self.phrase(at, 3)?;
        let value = read.values.first()?;
        (!is_doing(value)
            || value == "engineering"
            || value == "accounting"
            || value == "nursing"
            || value == "marketing")
            .then_some(read)
    }
}

fn relation(word: &str) -> Option<&'static str> {
    RELATIONS.iter().find(|(known, _)| *known == word).map(|(_, name)| *name)
}

pub(super) fn is_occupation(word: &str) -> bool {
    OCCUPATIONS.contains(word)
        || ["ologist", "ographer"]
            .iter()
            .any(|ending| word.ends_with(ending) && word.len() > ending.len() + 2)
}

fn is_language(folded: &str) -> bool {
    LANGUAGES.contains(folded)
}

/// Whether a word says what is being done.
fn is_doing(word: &str) -> bool {
    word.len() > 4
        && word.ends_with("ing")
        && !matches!(
            word,
            "thing"
                | "things"
                | "spring"
                | "string"
                | "evening"
                | "morning"
                | "during"
                | "something"
                | "anything"
                | "everything"
                | "nothing"
                | "building"
                | "clothing"
                | "king"
                | "wedding"
                | "pudding"
                | "amazing"
        )
}

/// Verbs that begin another statement: "I love dogs and hate cats".
fn is_finite(word: &str) -> bool {
    matches!(
        word,
        "love"
            | "hate"
            | "like"
            | "want"
            | "need"
            | "think"
            | "know"
            | "have"
            | "had"
            | "has"
            | "work"
            | "live"
            | "go"
            | "went"
            | "will"
            | "would"
            | "can"
            | "hope"
            | "feel"
            | "try"
            | "get"
            | "got"
            | "find"
            | "found"
            | "enjoy"
            | "prefer"
            | "always"
            | "thanks"
            | "thank"
            | "never"
            | "did"
            | "do"
            | "make"
            | "made"
            | "appreciate"
            | "admire"
    )
}

/// "paint" → "painting", "run" → "running", "bake" → "baking".
fn gerund(verb: &str) -> String {
    let letters: Vec<char> = verb.chars().collect();
    let is_vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u');
    if let Some(stem) = verb.strip_suffix("ie") {
        return format!("{stem}ying");
    }
    if let Some(stem) = verb.strip_suffix('e').filter(|stem| !stem.ends_with('e') && stem.len() > 1) {
        return format!("{stem}ing");
    }
    if let [.., before, vowel, last] = letters.as_slice()
        && letters.len() <= 4
        && !is_vowel(*before)
        && is_vowel(*vowel)
        && !is_vowel(*last)
        && !matches!(last, 'w' | 'x' | 'y')
    {
        return format!("{verb}{last}ing");
    }
    format!("{verb}ing")
}

/// A word as it is kept: a capital stays where it belongs to a name.
fn written(word: &Word<'_>) -> String {
    match word.lower.as_str() {
        "my" | "our" | "your" => "their".to_owned(),
        lower if word.text.is_empty() => lower.to_owned(),
        lower if word.case == Case::Lower || word.opens || lexicon::is_common(lower) => {
            if matches!(word.case, Case::Upper | Case::Mixed) && !lexicon::is_common(lower) {
                word.text.to_owned()
            } else {
                lower.to_owned()
            }
        }
        _ => word.text.to_owned(),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// "34", "thirty-four".
pub(super) fn number(word: &str) -> Option<u32> {
    const ONES: [&str; 20] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let small = |word: &str| ONES.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok());
    let tens = |word: &str| {
        TENS.iter().position(|name| *name == word).and_then(|at| u32::try_from((at + 2) * 10).ok())
    };
    if let Some((ten, one)) = word.split_once('-') {
        return Some(tens(ten)? + small(one).filter(|one| (1..10).contains(one))?);
    }
    small(word).or_else(|| tens(word)).or_else(|| word.parse().ok().filter(|number| *number < 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_to_do_is_what_is_done() {
        for (verb, doing) in [
            ("paint", "painting"),
            ("run", "running"),
            ("bake", "baking"),
            ("ski", "skiing"),
            ("play", "playing"),
            ("lie", "lying"),
        ] {
            assert_eq!(gerund(verb), doing);
        }
    }

    #[test]
    fn numbers_are_read_in_figures_and_words() {
        assert_eq!([number("34"), number("thirty-four"), number("nineteen")], [Some(34), Some(34), Some(19)]);
        assert_eq!([number("thirty-zero"), number("many"), number("20000")], [None, None, None]);
    }
}
