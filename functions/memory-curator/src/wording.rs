//! What a text claims, as a sequence of words that two accounts of the same thing share.
//!
//! Function words, intensifiers and reporting verbs are left out, the rest are stems. Everything that makes another
//! claim of the same words stays where it stands: negations, modal verbs, the past, numbers, names, possessives, and the
//! prepositions that tell one side from the other. So two texts with the same sequence say the same, and what differs in
//! a single "not", "3", "Porto" or "from" does not.

use std::collections::BTreeSet;

use model::text;
use model::tokens::{Case, Token, tokens};

/// How much of a text is looked at, in words; a longer one is an account of its own.
const MOST_WORDS: usize = 256;
/// One text within another is the same account from so many words on; a shorter one may be about much else.
const LEAST_WITHIN: usize = 6;
/// And when so many of a hundred words of both together are in both.
const LEAST_SHARED_WITHIN: usize = 80;

/// What a word does for a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// It says something more.
    Plain,
    /// With it the same words claim something else.
    Turns,
    /// It may be a name.
    Name,
    /// It holds a number.
    Number,
}

#[derive(Debug, Clone)]
struct Word {
    text: String,
    role: Role,
    /// "and" or "or" stands before it: the order does not matter.
    joined: bool,
}

/// A text as a claim.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wording {
    words: Vec<(String, Role)>,
}

impl Wording {
    /// Reads a text, in time linear in it.
    pub(crate) fn of(text: &str) -> Self {
        let tokens = tokens(text);
        let mut words: Vec<Word> = Vec::new();
        let mut joined = false;
        for token in &tokens {
            let before = words.len();
            read(token, &mut words);
            if let Some(first) = words.get_mut(before) {
                first.joined = joined;
                joined = false;
            } else {
                joined = matches!(token.lower.as_str(), "and" | "or" | "nor") && before > 0;
            }
            if words.len() >= MOST_WORDS {
                break;
            }
        }
        if words.is_empty() {
            // Nothing but function words, or no words at all.
            let plain = text.split_whitespace().map(str::to_lowercase).take(MOST_WORDS);
            words = plain.map(|text| Word { text, role: Role::Turns, joined: false }).collect();
        }
        let mut sorted: Vec<(String, Role)> = Vec::with_capacity(words.len());
        let mut run = 0;
        for (at, word) in words.into_iter().enumerate() {
            if !word.joined {
                sorted.get_mut(run..).unwrap_or_default().sort();
                run = at;
            }
            sorted.push((word.text, word.role));
        }
        sorted.get_mut(run..).unwrap_or_default().sort();
        Self { words: sorted }
    }

    /// The words in order: the same for two accounts that say the same.
    pub(crate) fn sequence(&self) -> Vec<&str> {
        self.words.iter().map(|(word, _)| word.as_str()).collect()
    }

    /// The words without repeats, by which texts that have much in common are found.
    pub(crate) fn set(&self) -> BTreeSet<&str> {
        self.words.iter().map(|(word, _)| word.as_str()).collect()
    }

    /// The words of a role, without repeats.
    pub(crate) fn of_role(&self, role: Role) -> BTreeSet<&str> {
        self.words.iter().filter(|(_, other)| *other == role).map(|(word, _)| word.as_str()).collect()
    }

    /// Whether one of two texts is the other with a few words more, none of which makes another claim of it.
    pub(crate) fn is_nested(&self, other: &Self) -> bool {
        let (short, long) = if self.words.len() <= other.words.len() { (self, other) } else { (other, self) };
        let shares = short.words.len() * 100 >= long.words.len() * LEAST_SHARED_WITHIN;
        short.words.len() >= LEAST_WITHIN && shares && short.is_within(long)
    }

    /// Whether this is what is left of `long` when some plain words are taken out.
    pub(crate) fn is_within(&self, long: &Self) -> bool {
        let mut rest = self.words.iter().map(|(word, _)| word).peekable();
        for (word, role) in &long.words {
            if rest.next_if(|wanted| *wanted == word).is_none() && *role != Role::Plain {
                return false;
            }
        }
        rest.peek().is_none()
    }

    /// How many of a hundred words of both are in both.
    pub(crate) fn likeness(&self, other: &Self) -> usize {
        let (one, other) = (self.set(), other.set());
        let shared = one.intersection(&other).count();
        shared * 100 / (one.len() + other.len() - shared).max(1)
    }

    /// How often it says "not".
    pub(crate) fn negations(&self) -> usize {
        self.words.iter().filter(|(word, _)| word == NOT).count()
    }

    /// Whether two texts differ in nothing but negations.
    pub(crate) fn is_negation_of(&self, other: &Self) -> bool {
        let bare = |wording: &Self| {
            let words = wording.words.iter().map(|(word, _)| word.clone());
            words.filter(|word| word != NOT).collect::<Vec<_>>()
        };
        self.negations() % 2 != other.negations() % 2 && bare(self) == bare(other)
    }
}

const NOT: &str = "not";

/// Adds what a word says, which may be nothing.
fn read(token: &Token<'_>, words: &mut Vec<Word>) {
    let mut lower = token.lower.replace('’', "'");
    let mut add = |text: &str, role| words.push(Word { text: text.to_owned(), role, joined: false });
    let mut is_negated = false;
    match lower.as_str() {
        "cannot" | "can't" => (lower, is_negated) = ("can".to_owned(), true),
        "won't" => (lower, is_negated) = ("will".to_owned(), true),
        _ => {}
    }
    if let Some(before) = lower.strip_suffix("n't") {
        (lower, is_negated) = (before.to_owned(), true);
    }
    let mut after = None;
    for (clitic, word) in [("'ll", Some("will")), ("'ve", None), ("'re", None), ("'m", None), ("'d", None)] {
        if let Some(before) = lower.strip_suffix(clitic) {
            (lower, after) = (before.to_owned(), word);
        }
    }
    match reading(&lower) {
        Reading::Nothing => {}
        Reading::Turns(word) => add(word, Role::Turns),
        Reading::Number(number) => add(number, Role::Number),
        Reading::Word => {
            let role = if lower.contains(|c: char| c.is_numeric()) {
                Role::Number
            } else if token.case != Case::Lower || DAYS_AND_MONTHS.contains(&lower.as_str()) {
                Role::Name
            } else if TURNING.contains(&lower.as_str()) || TURNING.contains(&text::stem(&lower).as_str()) {
                Role::Turns
            } else {
                Role::Plain
            };
            let mut stem = text::stem(&lower);
            if role == Role::Plain && lower.ends_with("ed") && stem != lower {
                // "lived" is not "lives".
                stem.push_str("-ed");
            }
            if token.possessive {
                stem.push_str("'s");
                add(&stem, if role == Role::Plain { Role::Turns } else { role });
            } else {
                add(&stem, role);
            }
        }
    }
    if let Some(word) = after {
        add(word, Role::Turns);
    }
    if is_negated {
        add(NOT, Role::Turns);
    }
}

/// Words that make no difference to what is claimed: articles, pronouns of the speaker and of things, forms of "be" and
/// "do", conjunctions and prepositions of place; intensifiers and fillers; and words for saying, because who said it stands
/// beside it.
const SILENT: [&str; 96] = [
    "a", "an", "the", "this", "that", "these", "those", "there", "here", "i", "me", "my", "mine", "myself",
    "it", "its", "am", "is", "are", "be", "been", "being", "do", "does", "doing", "done", "and", "or", "but",
    "so", "then", "of", "in", "on", "at", "to", "into", "onto", "about", "as", "which", "who", "whom",
    "because", "while", "just", "really", "very", "quite", "too", "also", "even", "well", "oh", "ah", "yeah",
    "yes", "hey", "hi", "hello", "please", "much", "lot", "lots", "actually", "definitely", "honestly",
    "totally", "absolutely", "truly", "simply", "basically", "currently", "now", "already", "always",
    "especially", "particularly", "super", "pretty", "such", "some", "any", "kinda", "thanks", "wow", "lol",
    "haha", "said", "says", "say", "saying", "told", "tells", "mentioned", "mentions",
];

enum Reading {
    Nothing,
    Turns(&'static str),
    Number(&'static str),
    Word,
}

fn reading(lower: &str) -> Reading {
    if SILENT.contains(&lower) {
        return Reading::Nothing;
    }
    match lower {
        "not" | "never" | "no" | "none" | "nobody" | "nothing" | "neither" | "nor" | "nowhere" | "hardly"
        | "barely" => Reading::Turns(NOT),
        "will" | "shall" | "gonna" => Reading::Turns("will"),
        "may" | "might" | "maybe" | "perhaps" | "possibly" | "probably" | "could" | "would" => {
            Reading::Turns("may")
        }
        "can" => Reading::Turns("can"),
        "must" | "should" | "ought" => Reading::Turns("must"),
        "was" | "were" | "did" | "had" => Reading::Turns("was"),
        "have" | "has" | "having" => Reading::Turns("have"),
        "if" | "unless" => Reading::Turns("if"),
        "you" | "your" | "yours" | "yourself" => Reading::Turns("you"),
        "we" | "us" | "our" | "ours" => Reading::Turns("we"),
        "he" | "him" | "his" | "himself" => Reading::Turns("he"),
        "she" | "her" | "hers" | "herself" => Reading::Turns("she"),
        "they" | "them" | "their" | "theirs" => Reading::Turns("they"),
        "zero" => Reading::Number("0"),
        "one" | "once" | "first" | "1st" => Reading::Number("1"),
        "two" | "twice" | "second" | "2nd" | "both" => Reading::Number("2"),
        "three" | "third" | "3rd" => Reading::Number("3"),
        "four" | "fourth" | "4th" => Reading::Number("4"),
        "five" | "fifth" | "5th" => Reading::Number("5"),
        "six" | "sixth" => Reading::Number("6"),
        "seven" | "seventh" => Reading::Number("7"),
        "eight" | "eighth" => Reading::Number("8"),
        "nine" | "ninth" => Reading::Number("9"),
        "ten" | "tenth" => Reading::Number("10"),
        "eleven" | "eleventh" => Reading::Number("11"),
        "twelve" | "twelfth" | "dozen" => Reading::Number("12"),
        "twenty" => Reading::Number("20"),
        "thirty" => Reading::Number("30"),
        "forty" => Reading::Number("40"),
        "fifty" => Reading::Number("50"),
        "hundred" => Reading::Number("100"),
        "thousand" => Reading::Number("1000"),
        "million" => Reading::Number("1000000"),
        "half" => Reading::Number("1/2"),
        _ => Reading::Word,
    }
}

/// "may" and "march" in small letters are mostly something else.
const DAYS_AND_MONTHS: [&str; 17] = [
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february",
    "april", "june", "july", "august", "september", "october", "november", "december",
];

/// Words whose insertion makes another claim: prepositions that tell sides apart, what is compared, when, whose, and
/// what of it is only wished for, begun or over.
const TURNING: [&str; 111] = [
    "from", "for", "with", "without", "before", "after", "until", "till", "since", "against", "than",
    "instead", "except", "over", "under", "between", "by", "off", "out", "up", "down", "away", "back",
    "more", "less", "most", "least", "only", "almost", "nearly", "another", "other", "new", "old", "former",
    "ex", "used", "next", "last", "again", "still", "longer", "anymore", "today", "tomorrow", "yesterday",
    "tonight", "morning", "evening", "afternoon", "night", "day", "week", "weekend", "month", "year",
    "spring", "summer", "autumn", "winter", "want", "hope", "wish", "plan", "tri", "try", "consid", "start",
    "begin", "began", "stop", "quit", "finish", "refus", "fail", "forget", "forgot", "think", "thought",
    "believ", "guess", "sister", "brother", "mother", "father", "mom", "mum", "dad", "parent", "son",
    "daughter", "child", "kid", "wife", "husband", "partner", "friend", "boss", "colleagu", "cousin", "aunt",
    "uncl", "grandmoth", "grandfath", "neighbor", "neighbour", "roommat", "girlfriend", "boyfriend", "babi",
    "dislik",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        Wording::of(one).sequence() == Wording::of(other).sequence()
    }

    #[test]
    fn the_same_claim_in_other_words_has_the_same_sequence() {
        for (one, other) in [
            ("Ada likes tea", "ada really likes tea!"),
            ("I don't eat meat.", "I do not eat meat"),
            ("Ada loves painting and hiking", "Ada loves hiking and painting"),
            ("The meeting is at three", "Meeting at 3"),
            ("Ada said: I am learning Portuguese", "Ada is learning Portuguese"),
        ] {
            assert!(same(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn a_small_word_makes_another_claim() {
        for (one, other) in [
            ("Ada likes tea", "Ada does not like tea"),
            ("The meeting is at 3", "The meeting is at 4"),
            ("Ada lives in Lisbon", "Ada lives in Porto"),
            ("Ada lived in Lisbon", "Ada lives in Lisbon"),
            ("Ada moved from Lisbon to Porto", "Ada moved to Lisbon from Porto"),
            ("Ada prefers tea to coffee", "Ada prefers coffee to tea"),
            ("Ada likes her", "Ada likes him"),
            ("Ada's dog is ill", "Ada is ill"),
            ("Ada may move to Lisbon", "Ada will move to Lisbon"),
            ("Ada likes tea but not coffee", "Ada likes coffee but not tea"),
        ] {
            assert!(!same(one, other), "{one} / {other}");
        }
        assert!(Wording::of("I like tea").is_negation_of(&Wording::of("I don't like tea")));
        assert!(!Wording::of("I like tea").is_negation_of(&Wording::of("I like tea")));
    }

    #[test]
    fn a_long_account_holds_a_shorter_one_when_it_only_says_more() {
        let whole = "Ada painted the garden shed green together with cheerful neighbourhood volunteers";
        let nested = |other: &str| Wording::of(whole).is_nested(&Wording::of(other));
        assert!(nested("Ada painted the garden shed green together with neighbourhood volunteers"));
        assert!(!nested("Ada painted the garden shed blue together with cheerful neighbourhood volunteers"));
        assert!(!nested(
            "Ada painted the garden shed green with cheerful neighbourhood volunteers on Friday"
        ));
        assert!(!nested(
            "Ada never painted the garden shed green together with cheerful neighbourhood volunteers"
        ));
        assert!(!Wording::of("Ada likes tea").is_nested(&Wording::of("Ada likes tea bags")));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_likeness_is_even_handed(one in "\\PC{0,80}", other in "(not|Ada|tea|3|'s| |\\PC){0,40}") {
            let (one, other) = (Wording::of(&one), Wording::of(&other));
            prop_assert_eq!(one.likeness(&other), other.likeness(&one));
            prop_assert_eq!(one.is_nested(&other), other.is_nested(&one));
            prop_assert!(one.is_within(&one) && other.is_within(&other));
        }
    }
}
