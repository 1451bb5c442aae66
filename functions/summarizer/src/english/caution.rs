//! When a sentence is better quoted than told: what is told of the wrong person, or told as a fact when it was none, is
//! false, and a quotation never is.

use super::verbs;
use super::words::{Word, is_adverb};

/// Verbs of speech and thought: what follows a comma after them is said by whoever is named before them.
const REPORTS: &[&str] = &[
    "said", "says", "say", "saying", "told", "tells", "asked", "asks", "asking", "replied", "answered",
    "shouted", "yelled", "whispered", "wrote", "writes", "goes", "went", "like", "thought", "screamed",
    "explained", "joked", "texted", "added", "cried", "laughed",
];
/// Verbs of what somebody has and feels: with "you" they are said of the one who is spoken to, and are nobody's orders.
const STATES: &[&str] = &[
    "want", "need", "look", "seem", "know", "like", "love", "think", "feel", "mean", "sound", "remember",
    "deserve", "understand", "hate", "prefer", "believe", "agree", "own", "care", "wish", "hope", "miss",
    "worry", "live", "work", "owe", "mind",
];
/// Verbs by which people leave out "I": "Miss you", "Don't know yet", "Feel like going out".
const WITHOUT_SUBJECT: &[&str] = &[
    "like", "hate", "love", "want", "own", "miss", "wish", "feel", "believe", "envy", "prefer", "know",
    "understand", "matter", "happen", "belong", "depend", "cost", "seem", "suit", "smell", "taste", "mean",
    "deserve", "agree", "disagree", "think", "wonder", "appreciate", "remember", "realize", "realise",
    "tend", "intend", "live",
];
/// And those that are orders unless they are denied.
const DENIED_WITHOUT_SUBJECT: &[&str] =
    &["have", "see", "care", "get", "mind", "need", "hear", "speak", "work"];
/// Words that begin a clause with a verb of its own.
const SUBORDINATE: &[&str] = &[
    "that", "if", "when", "because", "what", "where", "who", "which", "how", "why", "whether", "until",
    "before", "after", "while", "as", "since", "unless", "whatever", "once", "than", "whose", "so", "i",
    "you", "we", "he", "she", "it", "they", "this", "there",
];
/// What says that a sentence is not meant.
const JOKES: &[&str] = &["lol", "haha", "jk", "kidding", "joking", "hahaha"];

/// Whether a sentence repeats somebody's words: with marks of quotation or without.
pub(super) fn quotes(sentence: &str, all: &[Word]) -> bool {
    let marks = sentence.starts_with('>')
        || sentence.contains(['"', '“', '”', '„', '«', '»'])
        || opens_single(sentence);
    marks
        || all.windows(2).any(|pair| match pair {
            [verb, next] if verb.is(REPORTS) && verb.after.starts_with([',', ':']) => next.low != "please",
            // "He was like I hate dogs"; "Mum: I'm ill".
            [like, next] if like.low == "like" && next.is(&["i", "you", "we", "no", "yes", "oh", "what"]) => {
                all.iter().any(|word| word.is(&["am", "is", "was", "were", "are", "be", "he's", "she's", "they're"]))
            }
            [verb, next] if verb.is(&["texted", "whispered", "yelled", "shouted", "screamed", "wrote"]) => {
                next.is(&["i", "you", "me", "him", "her", "us", "we"])
            }
            [name, next] => name.after.starts_with(':') && next.is(&["i", "you", "we", "my", "your"]),
            _ => false,
        })
        // "I live in Paris, she said"; "It's late, said Bo".
        || all.windows(3).any(|three| match three {
            [before, who, said] => {
                before.after.contains([',', '!', '?'])
                    && (said.is(REPORTS) && said.low != "like" && (who.is(&["he", "she", "they"]) || who.is_name())
                        || who.is(&["said", "says", "asked"]))
            }
            _ => false,
        })
        // "He asked are you coming": a question in his words.
        || all.windows(2).enumerate().any(|(at, pair)| match pair {
            [auxiliary, subject] => {
                verbs::is_auxiliary(&auxiliary.low)
                    && subject.is(&["you", "i", "we"])
                    && all.iter().take(at).any(|word| {
                        word.is(&["asked", "asks", "said", "says", "wonders", "wondered", "told"])
                    })
                    && !all.iter().take(at).any(|word| word.is(&["you", "i", "we"]) && !word.after.is_empty())
            }
            _ => false,
        })
}

/// Whether a single mark opens a quotation: "'I live in Paris,' she said", but not "'cause" or "the '90s".
pub(crate) fn opens_single(sentence: &str) -> bool {
    let plain = sentence.replace(['‘', '’', '`'], "'");
    plain.split_whitespace().any(|piece| {
        piece.trim_start_matches('(').strip_prefix('\'').is_some_and(|word| {
            let low = word.to_lowercase();
            let short = ["cause", "em", "til", "till", "twas", "tis", "bout", "cos", "coz", "nother"];
            let clitic = ["s", "t", "m", "re", "ve", "ll", "d"];
            let letters: String = low.chars().take_while(|c| c.is_alphabetic()).collect();
            !letters.is_empty() && !short.contains(&letters.as_str()) && !clitic.contains(&letters.as_str())
        })
    })
}

/// Whether a sentence is said in jest, shouted, or speaks to several people or of a numbered thing.
pub(super) fn is_unclear(all: &[Word]) -> bool {
    let shouted = all.len() > 3
        && all.iter().all(|word| !word.text.chars().any(char::is_lowercase))
        && all.iter().any(|word| word.text.chars().count() > 2);
    let jest = all.iter().any(|word| word.is(JOKES))
        || matches!(all, [.., before, last] if last.low == "not" && !before.after.is_empty());
    let several = all.windows(2).any(|pair| match pair {
        [you, next] => {
            you.low == "you" && next.is(&["guys", "all", "two", "both", "three", "folks", "people", "lot"])
                || you.is(&["war", "part", "type", "phase", "level", "volume", "chapter", "grade", "class"])
                    && next.text == "I"
                    && you.is_name()
        }
        _ => false,
    }) || all.windows(3).any(|three| match three {
        [some, of, you] => {
            some.is(&["both", "all", "either", "neither", "one", "some", "each", "none", "two"])
                && of.low == "of"
                && you.is(&["you", "us"])
        }
        _ => false,
    }) || all.iter().any(|word| word.is(&["y'all", "yourselves"]));
    shouted || jest || several
}

/// Whether "you" may be anybody: "In Japan you take off your shoes", "You never know".
pub(super) fn is_general(all: &[Word]) -> bool {
    let condition = all.iter().any(|word| word.is(&["if", "when", "whenever", "once", "unless", "the"]));
    let count = all.iter().filter(|word| word.low == "you").count();
    all.iter().enumerate().any(|(at, word)| {
        if word.low != "you" {
            return false;
        }
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        let object = before.is_some_and(|before| {
            before.after.is_empty()
                && (before.is(&["to", "for", "with", "of", "at", "on", "from", "about", "by", "than"])
                    || verbs::is_base(&before.low)
                    || verbs::is_past(&before.low) && !before.is(&["thought", "hoped", "knew", "said"]))
        });
        let mut rest = all.iter().skip(at + 1);
        let habit = all.iter().skip(at + 1).take_while(|word| is_adverb(&word.low)).any(|word| {
            word.is(&["never", "always", "often", "sometimes", "usually", "only", "rarely", "generally"])
        });
        let Some(verb) = rest.by_ref().find(|word| !is_adverb(&word.low)) else { return false };
        let next = rest.next();
        if object && !habit || !word.after.is_empty() {
            return false;
        }
        let state = verb.is(STATES);
        let anybody = verb.is(&["would", "could", "might"])
            && next.is_some_and(|next| next.is(&["think", "say", "expect", "imagine", "believe"]));
        let obliged = verb.is(&["have", "need", "get"]) && next.is_some_and(|next| next.low == "to");
        let acts = verbs::is_base(&verb.low) && !state && verb.low != "have" || obliged;
        let denied = verb.is(&["can't", "cannot", "don't", "shouldn't", "mustn't", "won't"])
            && next.is_some_and(|next| !next.is(STATES));
        habit && (verbs::is_base(&verb.low) || verbs::is_modal(&verb.low))
            || acts
            || anybody
            || denied
            || count > 1 && condition && (verbs::is_modal(&verb.low) || state)
    })
}

/// Whether a base form at the beginning is no order: a noun, a past, a statement without "I", a threat.
pub(super) fn is_no_order(rest: &[Word], denied: bool, polite: bool) -> bool {
    let Some((verb, after)) = rest.split_first() else { return true };
    let next = after.first();
    let said_of_me = verb.is(WITHOUT_SUBJECT)
        && !(polite && verb.low == "remember")
        && !(verb.low == "remember" && next.is_some_and(|next| next.low == "to"))
        || denied && verb.is(DENIED_WITHOUT_SUBJECT)
        || verb.low == "have" && next.is_some_and(|next| verbs::is_participle(&next.low))
        || verb.is(&["say", "suppose"])
            && next.is_some_and(|next| next.is(&["i", "you", "we", "he", "she", "they"]))
        || verb.low == "come" && after.iter().map(|word| word.low.as_str()).take(2).eq(["to", "think"]);
    // "Quit my job yesterday": the past looks the same.
    let past = !polite
        && !denied
        && verbs::past_of(&verb.low) == verb.low
        && after.iter().any(|word| {
            word.is(&[
                "my", "yesterday", "last", "already", "ago", "finally", "today", "tonight", "myself", "our",
            ])
        });
    // "Touch that and you die": a condition.
    let threat = after.windows(2).any(|pair| match pair {
        [and, subject] => {
            and.is(&["and", "or"])
                && subject.is(&[
                    "you", "i", "we", "he", "she", "they", "it", "your", "my", "it's", "he'll", "she'll",
                    "they'll", "it'll",
                ])
        }
        _ => false,
    });
    let idle = !after.iter().any(|word| !word.is(&["it"]));
    said_of_me || past || threat || idle && denied || has_own_verb(after)
}

/// Whether a noun is at the beginning instead: "Work went well", "Phone calls cost a lot".
pub(super) fn is_noun_before_verb(next: &Word) -> bool {
    verbs::is_past(&next.low)
        || next.low.ends_with("'s") && next.is(&["what's", "that's", "it's"])
        || next.low.strip_suffix("es").or_else(|| next.low.strip_suffix('s')).is_some_and(verbs::is_base)
        || next.low.strip_suffix('s').is_some_and(verbs::is_base)
}

/// Whether a verb with a subject of its own stands where no clause has begun: "Work from home was great".
fn has_own_verb(after: &[Word]) -> bool {
    let clause = after
        .iter()
        .position(|word| {
            word.is(SUBORDINATE) || word.low.contains('\'') || word.after.contains([',', ';', '-', '.'])
        })
        .map_or(after.len(), |at| at + 1);
    after.iter().take(clause).any(|word| {
        word.is(&[
            "is", "was", "are", "were", "has", "had", "did", "does", "will", "would", "went", "came", "got",
            "made",
        ])
    })
}

/// A verb that is asked about and not asked for: "Why don't you like him?", "Why don't we have any milk?"
pub(super) fn is_state(verb: &str) -> bool {
    STATES.contains(&verb)
        || matches!(
            verb,
            "have"
                | "eat"
                | "drink"
                | "smoke"
                | "drive"
                | "speak"
                | "sleep"
                | "cook"
                | "wear"
                | "answer"
                | "get"
                | "trust"
                | "listen"
                | "see"
                | "hear"
                | "be"
        )
}

/// The same of "we", who may as well suggest to have dinner.
pub(super) fn is_state_of_us(verb: &str, next: Option<&Word>) -> bool {
    STATES.contains(&verb) && verb != "work"
        || verb == "have" && next.is_some_and(|next| next.is(&["any", "enough", "more"]))
}

/// Whether the speaker says what they think: "I wonder if …", "I don't suppose …".
pub(super) fn wonders(all: &[Word]) -> bool {
    let verb = match all {
        [i, dont, verb, ..] if i.low == "i" && dont.is(&["don't", "didn't"]) => verb,
        [i, verb, ..] if i.low == "i" => verb,
        _ => return false,
    };
    verb.is(&["wonder", "guess", "hope", "think", "suppose", "believe", "thought", "bet"])
}

/// Whether a second question is asked in a question: "Where do you live and what do you do?"
pub(super) fn asks_twice(all: &[Word]) -> bool {
    all.windows(3).skip(1).any(|three| match three {
        [before, auxiliary, subject] => {
            before.is(&["and", "or", "but", "what", "where", "when", "who", "how", "why"])
                && verbs::is_auxiliary(&auxiliary.low)
                && subject.is(&["i", "you", "we", "he", "she", "it", "they"])
        }
        _ => false,
    })
}
