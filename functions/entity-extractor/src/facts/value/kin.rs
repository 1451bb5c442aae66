//! Whom somebody has at home: relatives, partners and pets, and how many.

use super::phrase::{ENDS, PREPOSITIONS};
use super::{Read, Sentence};

/// How a relative is spoken of, and the one word for it.
pub(in crate::facts) const RELATIONS: [(&str, &str); 47] = [
    ("sister", "sister"),
    ("sis", "sister"),
    ("brother", "brother"),
    ("bro", "brother"),
    ("sibling", "sibling"),
    ("twin", "twin"),
    ("mother", "mother"),
    ("mom", "mother"),
    ("mum", "mother"),
    ("mama", "mother"),
    ("father", "father"),
    ("dad", "father"),
    ("papa", "father"),
    ("son", "son"),
    ("daughter", "daughter"),
    ("child", "child"),
    ("baby", "child"),
    ("wife", "wife"),
    ("husband", "husband"),
    ("hubby", "husband"),
    ("spouse", "spouse"),
    ("partner", "partner"),
    ("girlfriend", "girlfriend"),
    ("gf", "girlfriend"),
    ("boyfriend", "boyfriend"),
    ("bf", "boyfriend"),
    ("fiance", "fiancé"),
    ("fiancé", "fiancé"),
    ("fiancee", "fiancée"),
    ("fiancée", "fiancée"),
    ("cousin", "cousin"),
    ("aunt", "aunt"),
    ("auntie", "aunt"),
    ("uncle", "uncle"),
    ("nephew", "nephew"),
    ("niece", "niece"),
    ("grandmother", "grandmother"),
    ("grandma", "grandmother"),
    ("granny", "grandmother"),
    ("nana", "grandmother"),
    ("grandfather", "grandfather"),
    ("grandpa", "grandfather"),
    ("grandson", "grandson"),
    ("granddaughter", "granddaughter"),
    ("mother-in-law", "mother-in-law"),
    ("father-in-law", "father-in-law"),
    ("stepson", "stepson"),
];

pub(in crate::facts) const OF_RELATIVES: [&str; 12] = [
    "older", "younger", "little", "big", "elder", "eldest", "oldest", "youngest", "dear", "baby", "twin",
    "only",
];

/// Those whom one counts, and one of them.
pub(in crate::facts) const RELATIVES: [(&str, &str); 13] = [
    ("sister", "sister"),
    ("sisters", "sister"),
    ("brother", "brother"),
    ("brothers", "brother"),
    ("sibling", "sibling"),
    ("siblings", "sibling"),
    ("son", "son"),
    ("sons", "son"),
    ("daughter", "daughter"),
    ("daughters", "daughter"),
    ("grandson", "grandson"),
    ("granddaughter", "granddaughter"),
    ("grandchildren", "grandchild"),
];

/// How an animal is spoken of, and the one word for it.
const PETS: [(&str, &str); 36] = [
    ("dog", "dog"),
    ("dogs", "dogs"),
    ("doggo", "dog"),
    ("puppy", "dog"),
    ("puppies", "dogs"),
    ("pup", "dog"),
    ("pups", "dogs"),
    ("cat", "cat"),
    ("cats", "cats"),
    ("kitten", "cat"),
    ("kittens", "cats"),
    ("kitty", "cat"),
    ("rabbit", "rabbit"),
    ("rabbits", "rabbits"),
    ("bunny", "rabbit"),
    ("hamster", "hamster"),
    ("hamsters", "hamsters"),
    ("parrot", "parrot"),
    ("parrots", "parrots"),
    ("budgie", "budgie"),
    ("canary", "canary"),
    ("horse", "horse"),
    ("horses", "horses"),
    ("pony", "pony"),
    ("goldfish", "goldfish"),
    ("turtle", "turtle"),
    ("turtles", "turtles"),
    ("tortoise", "tortoise"),
    ("gecko", "gecko"),
    ("lizard", "lizard"),
    ("snake", "snake"),
    ("ferret", "ferret"),
    ("labrador", "dog"),
    ("retriever", "dog"),
    ("chickens", "chickens"),
    ("snakes", "snakes"),
];

pub(in crate::facts) const STATUSES: [&str; 6] =
    ["married", "single", "engaged", "divorced", "widowed", "separated"];

impl Sentence<'_> {
    pub(super) fn relation(&self, at: usize) -> Option<Read> {
        let mut at = at;
        while OF_RELATIVES.contains(&self.lower(at))
            && self.joined(at + 1).is_some()
            && relation(self.lower(at + 1)).is_some()
        {
            at += 1;
        }
        Read::one(relation(self.lower(at))?.to_owned(), at + 1)
    }

    /// "three children".
    pub(super) fn children(&self, at: usize) -> Option<Read> {
        let count = self.count(at)?;
        let name = match (self.lower(at + 1), count) {
            ("child", 1) => "child",
            ("children", 2..) => "children",
            _ => return None,
        };
        Read::one(format!("{count} {name}"), at + 2)
    }

    /// A partner, a son or a daughter.
    pub(super) fn spouse(&self, at: usize) -> Option<Read> {
        let name = relation(self.lower(at))?;
        let close = ["wife", "husband", "girlfriend", "boyfriend", "fiancé", "fiancée", "son", "daughter"];
        close.contains(&name).then(|| Read::one(name.to_owned(), at + 1))?
    }

    /// A relative whose "passing" is no examination.
    pub(super) fn elder(&self, at: usize) -> Option<Read> {
        let elders = ["mother", "father", "grandmother", "grandfather", "husband", "wife"];
        self.relation(at).filter(|read| read.values.iter().all(|value| elders.contains(&value.as_str())))
    }

    /// One of those whom one counts.
    pub(super) fn relative(&self, at: usize) -> Option<Read> {
        let (_, name) = RELATIVES.iter().find(|(word, _)| *word == self.lower(at))?;
        Read::one((*name).to_owned(), at + 1)
    }

    /// Whether somebody has a partner: "married".
    pub(super) fn status(&self, at: usize) -> Option<Read> {
        let name = STATUSES.iter().find(|word| **word == self.lower(at))?;
        Read::one((*name).to_owned(), at + 1)
    }

    pub(super) fn siblings(&self, at: usize) -> Option<Read> {
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

    pub(super) fn pets(&self, at: usize) -> Option<Read> {
        let count = self.count(at)?;
        let pet = self.pet(at + 1)?;
        let name = pet.values.first()?;
        if name.ends_with('s') != (count > 1) {
            return None;
        }
        Read::one(if count > 1 { format!("{count} {name}") } else { name.clone() }, pet.end)
    }

    pub(super) fn pet(&self, at: usize) -> Option<Read> {
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
        if ["person", "people", "food", "lover", "walker", "park", "shelter", "day", "show", "toy"]
            .contains(&next)
        {
            return None;
        }
        Read::one((*name).to_owned(), at + length)
    }
}

fn relation(word: &str) -> Option<&'static str> {
    RELATIONS.iter().find(|(known, _)| *known == word).map(|(_, name)| *name)
}
