//! What may be known of a person: a closed list, each with its sentence and its key.

use domain::{MemoryType, has_one_value};
use model::text;
use serde::{Deserialize, Serialize};

use crate::lexicon::fold;

/// What a fact or preference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// What the person is called.
    Name,
    /// What the person wants to be called.
    Nickname,
    /// How old the person is, in years.
    Age,
    /// The day, or the year, the person was born.
    Birthday,
    /// Where the person lives.
    Home,
    /// Where the person comes from.
    Origin,
    /// Who the person works for.
    Employer,
    /// What the person works as.
    Occupation,
    /// What the person studies.
    Studies,
    /// Where the person goes to school.
    School,
    /// Married, single and so on.
    Relationship,
    /// How many children the person has.
    Children,
    /// A relative and what that one is called; for others of the family also that they have died.
    Relative,
    /// Vegetarian, vegan and so on.
    Diet,
    /// What the person is allergic to.
    Allergy,
    /// A lasting condition of body or mind.
    Condition,
    /// Whether the person smokes, drinks or drives.
    Habit,
    /// An animal of the person's.
    Pet,
    /// A language the person speaks.
    Language,
    /// What the person is learning.
    Learns,
    /// What the person owns.
    Owns,
    /// What the person plays: an instrument, a sport.
    Plays,
    /// What the person does regularly.
    Hobby,
    /// What the person likes, or does not.
    Likes,
    /// What the person eats or drinks, or does not.
    Consumes,
    /// What the person likes best of a kind.
    Favourite,
    /// What the person would rather have.
    Prefers,
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Polarity {
    /// It holds.
    Positive,
    /// It does not.
    Negative,
    /// It did, and does not any more.
    Ended,
}

impl Attribute {
    /// The word for it in keys and data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Nickname => "nickname",
            Self::Age => "age",
            Self::Birthday => "birthday",
            Self::Home => "home",
            Self::Origin => "origin",
            Self::Employer => "employer",
            Self::Occupation => "occupation",
            Self::Studies => "studies",
            Self::School => "school",
            Self::Relationship => "relationship",
            Self::Children => "children",
            Self::Relative => "relative",
            Self::Diet => "diet",
            Self::Allergy => "allergy",
            Self::Condition => "condition",
            Self::Habit => "habit",
            Self::Pet => "pet",
            Self::Language => "language",
            Self::Learns => "learns",
            Self::Owns => "owns",
            Self::Plays => "plays",
            Self::Hobby => "hobby",
            Self::Likes => "likes",
            Self::Consumes => "consumes",
            Self::Favourite => "favourite",
            Self::Prefers => "prefers",
        }
    }

    /// What of memory it becomes.
    pub(crate) const fn memory_type(self) -> MemoryType {
        match self {
            Self::Likes | Self::Consumes | Self::Favourite | Self::Prefers | Self::Hobby => {
                MemoryType::Preference
            }
            _ => MemoryType::Fact,
        }
    }

    /// Whether a person has one value of it at a time, so that a new one takes the place of the old.
    pub(crate) fn is_single(self) -> bool {
        has_one_value(self.as_str())
    }
}

impl Attribute {
    /// Whether it may be known of a relative whom the speaker tells of.
    pub(crate) const fn is_of_relatives(self) -> bool {
        matches!(
            self,
            Self::Birthday
                | Self::Age
                | Self::Home
                | Self::Origin
                | Self::Employer
                | Self::Occupation
                | Self::Studies
                | Self::School
                | Self::Diet
                | Self::Allergy
                | Self::Condition
                | Self::Relative
        )
    }
}

/// Of whom something is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    /// The speaker's name; `None` for a user who has none.
    pub(crate) speaker: Option<String>,
    /// "sister", when it is known of one of the speaker's family.
    pub(crate) relative: Option<String>,
}

/// One thing known of a person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub(crate) subject: Subject,
    pub(crate) attribute: Attribute,
    /// The value as it is written: "Lisbon", "nuts"; of what it is a favourite for [`Attribute::Favourite`].
    pub(crate) value: String,
    /// The favourite itself, what is less preferred, the name of a pet or relative.
    pub(crate) detail: String,
    pub(crate) polarity: Polarity,
    pub(crate) confidence: f32,
}

impl Subject {
    /// "Ada", "Ada's sister", "The user".
    pub(crate) fn name(&self) -> String {
        let speaker = self.speaker.as_deref().unwrap_or("The user");
        match &self.relative {
            None => speaker.to_owned(),
            Some(relative) => format!("{speaker}'s {relative}"),
        }
    }

    /// The speaker as keys and data name them.
    pub(crate) fn speaker_key(&self) -> String {
        self.speaker.as_deref().map_or_else(|| "user".to_owned(), fold)
    }
}

impl Fact {
    /// What identifies it: the same thing said in other words, corrected or taken back has the same key.
    pub(crate) fn key(&self) -> String {
        let kind = self.attribute.memory_type().as_str();
        let speaker = self.subject.speaker_key();
        let of = self.subject.relative.as_deref().map(|relative| format!(":{}", stems(relative)));
        let attribute = self.attribute.as_str();
        let start = format!("{kind}:{speaker}{}", of.unwrap_or_default());
        match self.attribute {
            Attribute::Likes | Attribute::Consumes => format!("{start}:{}", stems(&self.value)),
            Attribute::Pet | Attribute::Relative if !self.detail.is_empty() => {
                format!("{start}:{attribute}:{}:{}", stems(&self.value), fold(&self.detail))
            }
            // "2 dogs" and "a dog" are about the same.
            Attribute::Pet | Attribute::Relative | Attribute::Owns => {
                format!("{start}:{attribute}:{}", stems(self.value.rsplit(' ').next().unwrap_or_default()))
            }
            _ if self.attribute.is_single() => format!("{start}:{attribute}"),
            _ => format!("{start}:{attribute}:{}", stems(&self.value)),
        }
    }

    /// The fact in one sentence, the same for every way of saying it.
    pub(crate) fn content(&self) -> String {
        let who = self.subject.name();
        let (value, detail) = (self.value.as_str(), self.detail.as_str());
        let [holds, not, ended] = match self.attribute {
            Attribute::Name => ["'s name is {}", "'s name is not {}", "'s name is no longer {}"],
            Attribute::Nickname => [
                " wants to be called {}",
                " does not want to be called {}",
                " no longer wants to be called {}",
            ],
            Attribute::Age => [" is {} years old", " is not {} years old", " is no longer {} years old"],
            Attribute::Birthday => ["'s birthday is {}", "'s birthday is not {}", "'s birthday is not {}"],
            Attribute::Home => [" lives in {}", " does not live in {}", " no longer lives in {}"],
            Attribute::Origin => [" is from {}", " is not from {}", " is not from {}"],
            Attribute::Employer => [" works at {}", " does not work at {}", " no longer works at {}"],
            Attribute::Occupation if is_state(value) => [" is {}", " is not {}", " is no longer {}"],
            Attribute::Occupation => [" works as {a}", " does not work as {a}", " no longer works as {a}"],
            Attribute::Studies => [" studies {}", " does not study {}", " no longer studies {}"],
            Attribute::School => [" goes to {}", " does not go to {}", " no longer goes to {}"],
            Attribute::Children => [" has {}", " has no children", " no longer has {}"],
            Attribute::Relative if self.subject.relative.is_some() => {
                [" is alive", " is not alive", " has died"]
            }
            Attribute::Relative if detail.is_empty() => [" has {a}", " has no {}", " no longer has {a}"],
            Attribute::Relative => [" has {a} called {d}", " has no {} called {d}", "'s {} {d} has died"],
            Attribute::Diet | Attribute::Relationship => [" is {}", " is not {}", " is no longer {}"],
            Attribute::Allergy => {
                [" is allergic to {}", " is not allergic to {}", " is no longer allergic to {}"]
            }
            Attribute::Condition if is_quality(value) => [" is {}", " is not {}", " is no longer {}"],
            Attribute::Condition => [" has {}", " does not have {}", " no longer has {}"],
            Attribute::Habit => match value {
                "smoke" => [" smokes", " does not smoke", " no longer smokes"],
                "drink" => [" drinks alcohol", " does not drink alcohol", " no longer drinks alcohol"],
                _ => [" drives", " does not drive", " no longer drives"],
            },
            Attribute::Pet if detail.is_empty() => [" has {a}", " does not have {a}", " no longer has {a}"],
            Attribute::Pet => {
                [" has {a} called {d}", " has no {} called {d}", " no longer has the {} called {d}"]
            }
            Attribute::Language => [" speaks {}", " does not speak {}", " no longer speaks {}"],
            Attribute::Learns => [" is learning {}", " is not learning {}", " is no longer learning {}"],
            Attribute::Owns => [" owns {a}", " does not own {a}", " no longer owns {a}"],
            Attribute::Plays => [" plays {}", " does not play {}", " no longer plays {}"],
            Attribute::Hobby => ["'s hobby is {}", "'s hobby is not {}", "'s hobby is no longer {}"],
            Attribute::Likes => [" likes {}", " does not like {}", " no longer likes {}"],
            Attribute::Consumes => {
                if is_drink(value) {
                    [" drinks {}", " does not drink {}", " no longer drinks {}"]
                } else {
                    [" eats {}", " does not eat {}", " no longer eats {}"]
                }
            }
            Attribute::Favourite => {
                ["'s favourite {} is {d}", "'s favourite {} is not {d}", "'s favourite {} is no longer {d}"]
            }
            Attribute::Prefers if detail.is_empty() => {
                [" prefers {}", " does not prefer {}", " no longer prefers {}"]
            }
            Attribute::Prefers => {
                [" prefers {} to {d}", " does not prefer {} to {d}", " no longer prefers {} to {d}"]
            }
        };
        let template = match self.polarity {
            Polarity::Positive => holds,
            Polarity::Negative => not,
            Polarity::Ended => ended,
        };
        let sentence =
            template.replace("{a}", &with_article(value)).replace("{d}", detail).replace("{}", value);
        format!("{who}{sentence}.")
    }
}

/// The words that carry a value's meaning, in their stems.
pub(super) fn stems(value: &str) -> String {
    let stems: Vec<String> = text::content_stems(&fold(value)).collect();
    if stems.is_empty() { fold(value) } else { stems.join("-") }
}

/// "a designer", "an engineer"; what is counted or has no article stays as it is.
fn with_article(value: &str) -> String {
    if value.starts_with(|c: char| c.is_ascii_digit()) || is_mass(value) || value == "children" {
        return value.to_owned();
    }
    let vowel = value.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O'])
        && !["uni", "use", "eu", "one", "uk"].iter().any(|start| value.to_lowercase().starts_with(start));
    let hour = ["hour", "heir", "honest"].iter().any(|start| value.starts_with(start));
    format!("{} {value}", if vowel || hour { "an" } else { "a" })
}

fn is_mass(value: &str) -> bool {
    value.ends_with('s') && !value.ends_with("ss") && !value.ends_with("us") && !value.ends_with("is")
}

/// What one is, and does not work as.
pub(super) fn is_state(value: &str) -> bool {
    matches!(value, "retired" | "unemployed" | "self-employed" | "between jobs")
}

/// What one is, and does not have.
pub(super) fn is_quality(value: &str) -> bool {
    super::value::QUALITIES.contains(&value)
}

/// What is drunk, not eaten.
pub(super) fn is_drink(value: &str) -> bool {
    const DRINKS: [&str; 22] = [
        "coffee", "tea", "alcohol", "beer", "wine", "milk", "water", "juice", "soda", "coke", "cola",
        "espresso", "latte", "whisky", "whiskey", "vodka", "gin", "rum", "cider", "lemonade", "kombucha",
        "caffeine",
    ];
    text::words(&value.to_lowercase()).last().is_some_and(|last| DRINKS.contains(&last))
}
