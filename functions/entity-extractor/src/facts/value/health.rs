//! How somebody's body is: conditions, diets, and what they cannot have.

use super::{Read, Sentence};

pub(in crate::facts) const DIETS: [(&str, &str); 11] = [
    ("vegetarian", "vegetarian"),
    ("veggie", "vegetarian"),
    ("vegan", "vegan"),
    ("pescatarian", "pescatarian"),
    ("pescetarian", "pescatarian"),
    ("keto", "keto"),
    ("gluten-free", "gluten-free"),
    ("flexitarian", "flexitarian"),
    ("kosher", "kosher"),
    ("halal", "halal"),
    ("carnivore", "carnivore"),
];

/// What people say they cannot have.
const FOODS: [&str; 16] = [
    "dairy", "gluten", "nuts", "peanuts", "eggs", "milk", "lactose", "sugar", "meat", "caffeine", "alcohol",
    "seafood", "fish", "shellfish", "soy", "wheat",
];

/// Conditions that one is.
pub(in crate::facts) const QUALITIES: [&str; 14] = [
    "diabetic", "asthmatic", "dyslexic", "autistic", "left-handed", "right-handed", "colour-blind", "deaf",
    "blind", "celiac", "lactose intolerant", "short-sighted", "pregnant", "epileptic",
];

/// Conditions that one has.
const CONDITIONS: [&str; 26] = [
    "asthma", "diabetes", "migraines", "migraine", "epilepsy", "arthritis", "adhd", "add", "dyslexia",
    "anxiety", "depression", "insomnia", "eczema", "psoriasis", "ibs", "crohn", "hypertension", "anemia",
    "anaemia", "celiac", "endometriosis", "scoliosis", "tinnitus", "vertigo", "ptsd", "autism",
];

impl Sentence<'_> {
    pub(super) fn condition(&self, at: usize) -> Option<Read> {
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

    /// How somebody eats: "vegan".
    pub(super) fn diet(&self, at: usize) -> Option<Read> {
        let (_, name) = DIETS.iter().find(|(word, _)| *word == self.lower(at))?;
        Read::one((*name).to_owned(), at + 1)
    }

    /// What people cannot have: "dairy".
    pub(super) fn avoided(&self, at: usize) -> Option<Read> {
        let word = self.lower(at);
        let known = FOODS.contains(&word) && self.ends_at(at + 1);
        known.then(|| Read::one(word.to_owned(), at + 1))?
    }
}
