//! What somebody does for a living or studies, and where: occupations, employers, schools.

use std::collections::HashSet;
use std::sync::LazyLock;

use model::text;
use model::tokens::Case;

use super::activity::is_doing;
use super::phrase::{ENDS, PREPOSITIONS};
use super::{Read, Sentence, list};
use crate::facts::sentence::is_adverb;
use crate::facts::words::Gap;
use crate::lexicon::{self, fold};
use crate::names::Kind;
use crate::think::spelled;

static OCCUPATIONS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| list(include_str!("../../../lexicon/occupations.txt")));

/// Places of work that have no name.
const WORKPLACES: [&str; 42] = [
    "bank", "hospital", "school", "clinic", "restaurant", "café", "cafe", "bakery", "startup", "start-up",
    "company", "firm", "university", "college", "store", "shop", "library", "museum", "hotel", "bar", "gym",
    "studio", "office", "factory", "lab", "laboratory", "farm", "nonprofit", "non-profit", "charity",
    "agency", "shelter", "bookstore", "bookshop", "supermarket", "pharmacy", "kindergarten", "nursery",
    "warehouse", "newspaper", "airline", "salon",
];

/// What makes a name that of a body.
const OF_BODIES: [&str; 30] = [
    "corp", "corporation", "inc", "ltd", "limited", "llc", "gmbh", "ag", "plc", "co", "company", "group",
    "bank", "labs", "university", "college", "school", "institute", "hospital", "clinic", "foundation",
    "airlines", "airways", "industries", "systems", "partners", "studios", "consulting", "&", "brothers",
];

/// Whoever is good or bad at something need not do it for a living: "a slow driver".
const OF_SKILL: [&str; 34] = [
    "good", "great", "bad", "better", "best", "worst", "terrible", "big", "huge", "amazing", "former", "ex",
    "slow", "fast", "quick", "safe", "lousy", "decent", "poor", "excellent", "keen", "avid", "lazy", "nice",
    "natural", "born", "horrible", "awesome", "fantastic", "patient", "wannabe", "amateur", "aspiring",
    "future",
];

impl Sentence<'_> {
    pub(super) fn organisation(&self, at: usize) -> Option<Read> {
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

    pub(super) fn job(&self, at: usize) -> Option<Read> {
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

    pub(super) fn any_job(&self, at: usize) -> Option<Read> {
        let read = self.phrase(at, 3)?;
        let value = read.values.first()?;
        let vague = ["team", "family", "couple", "group", "way", "whole", "result", "charm", "source"];
        (!vague.iter().any(|word| value.ends_with(word))).then_some(read)
    }

    pub(super) fn state(&self, at: usize) -> Option<Read> {
        let (value, length) = match (self.lower(at), self.lower(at + 1)) {
            ("retired", _) => ("retired", 1),
            ("unemployed", _) => ("unemployed", 1),
            ("self-employed", _) => ("self-employed", 1),
            ("between", "jobs") => ("between jobs", 2),
            _ => return None,
        };
        Read::one(value.to_owned(), at + length)
    }

    pub(super) fn subject(&self, at: usize) -> Option<Read> {
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

fn is_occupation(word: &str) -> bool {
    OCCUPATIONS.contains(word)
        || ["ologist", "ographer"]
            .iter()
            .any(|ending| word.ends_with(ending) && word.len() > ending.len() + 2)
}
