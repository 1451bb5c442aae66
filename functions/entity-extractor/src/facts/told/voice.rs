//! Whose words they are, and whether they are meant: where somebody speaks for themselves, what they only report, suppose
//! or ask to be written, and what is a joke.

use crate::facts::sentence::{Sentence, is_adverb};
use crate::facts::words::{Gap, Word};

/// How far back it is looked for what a word depends on, in words.
const LOOK_BACK: usize = 40;

/// What may stand before somebody begins to speak of themselves.
pub(super) const OPENERS: [&str; 56] = [
    "please", "just", "well", "yeah", "yes", "yep", "no", "nope", "oh", "ah", "hey", "hi", "hello", "so",
    "and", "but", "also", "actually", "honestly", "now", "btw", "because", "since", "although", "though",
    "plus", "anyway", "then", "ok", "okay", "right", "as", "still", "personally", "fyi", "sorry", "lol",
    "haha", "wow", "thanks", "correction", "update", "too", "cool", "nice", "sure", "true", "ps", "luckily",
    "sadly", "unfortunately", "finally", "currently", "recently", "today", "wait",
];

/// After one of these a new statement begins, whatever stood before it.
const CONJUNCTIONS: [&str; 9] =
    ["and", "but", "because", "so", "though", "although", "plus", "since", "that"];

/// What leads to "that": "I told you that I …".
const ASSURANCES: [&str; 20] = [
    "you know",
    "as you know",
    "i told you",
    "as i told you",
    "did i tell you",
    "did you know",
    "i said",
    "i mentioned",
    "by the way",
    "in fact",
    "remember",
    "keep in mind",
    "just so you know",
    "for the record",
    "these days",
    "at the moment",
    "i found out",
    "now",
    "turns out",
    "i forgot to mention",
];

/// After one of these nothing is said to be so.
const SUPPOSITIONS: [&str; 26] = [
    "if", "unless", "wish", "imagine", "pretend", "suppose", "supposing", "whether", "would", "could",
    "might", "maybe", "perhaps", "hope", "hoping", "dreamed", "dreamt", "should", "until", "till", "what",
    "why", "how", "when", "where", "assume",
];

/// After one of these somebody else's words follow.
const REPORTS: [&str; 32] = [
    "says", "said", "thinks", "thought", "told", "tells", "asked", "asks", "claims", "claimed", "believes",
    "wrote", "joked", "quote", "replied", "replies", "answered", "shouted", "yelled", "texted", "insists",
    "insisted", "swears", "swore", "explained", "admitted", "whispered", "complained", "complains",
    "announced", "screamed", "sang",
];

/// With one of these nothing in the message is meant.
pub(super) const JOKES: [&str; 9] =
    ["kidding", "jk", "sarcasm", "hypothetically", "hypothetical", "roleplay", "role-play", "joking", "/s"];

/// Whoever asks for a text gives one that is not about themselves.
pub(super) const REQUESTS: [&str; 14] = [
    "translate", "rewrite", "rephrase", "proofread", "paraphrase", "draft", "compose", "summarize",
    "summarise", "write", "generate", "correct", "roleplay", "edit",
];

/// Where what is told does not hold.
const STAGES: [&str; 16] = [
    "dream", "dreams", "game", "novel", "story", "movie", "film", "play", "book", "series", "show",
    "example", "theory", "nightmare", "simulation", "exercise",
];

/// Whether a statement of the speaker's own may begin at a word.
pub(super) fn may_speak(sentence: &Sentence<'_>, at: usize, anywhere: bool) -> bool {
    let Some(word) = sentence.words.get(at) else { return false };
    let begins = matches!(
        word.lower.as_str(),
        "i" | "we" | "my" | "our" | "call" | "friends" | "people" | "everyone" | "everybody"
    );
    if !begins || word.quoted {
        return false;
    }
    let of_sentence = sentence.words.get(at.saturating_sub(LOOK_BACK)..at).unwrap_or_default();
    let since_break = of_sentence.iter().rposition(|word| word.gap == Gap::Break).unwrap_or(0);
    let before = of_sentence.get(since_break..).unwrap_or_default();
    // Of what stands before a comma only "if" reaches beyond it.
    let clause_start = if word.gap == Gap::None {
        before.iter().rposition(|word| word.gap == Gap::Comma).unwrap_or(0)
    } else {
        before.len()
    };
    let clause = before.get(clause_start..).unwrap_or_default();
    let supposes = before
        .iter()
        .any(|word| matches!(word.lower.as_str(), "if" | "imagine" | "pretend" | "suppose" | "wish"))
        || clause
            .iter()
            .rev()
            .skip_while(|word| word.lower == "why")
            .any(|word| SUPPOSITIONS.contains(&word.lower.as_str()));
    let reports = before.iter().enumerate().any(|(at, word)| {
        REPORTS.contains(&word.lower.as_str())
            && !at
                .checked_sub(1)
                .and_then(|at| before.get(at))
                .is_some_and(|who| matches!(who.lower.as_str(), "i" | "we" | "have"))
    });
    if supposes || reports || is_handed_on(of_sentence, word.gap) || is_on_stage(of_sentence) {
        return false;
    }
    if anywhere {
        return true;
    }
    let joined = clause.iter().map(|word| word.lower.as_str()).collect::<Vec<_>>().join(" ");
    let bare = joined.strip_suffix(" that").unwrap_or(&joined);
    let bare = bare.strip_suffix(" recently").unwrap_or(bare);
    // Whoever says why they love something says that they do.
    if clause.last().is_some_and(|word| word.lower == "why") || joined.ends_with("now that") {
        return true;
    }
    if clause.iter().all(|word| OPENERS.contains(&word.lower.as_str()) || is_adverb(&word.lower))
        || ASSURANCES.contains(&bare)
    {
        return true;
    }
    // "Hey Mel I …"
    if clause.len() <= 3
        && clause.first().is_some_and(|word| matches!(word.lower.as_str(), "hey" | "hi" | "thanks" | "wow"))
    {
        return true;
    }
    let passed = clause
        .iter()
        .rev()
        .take_while(|word| OPENERS.contains(&word.lower.as_str()) || is_adverb(&word.lower));
    word.lower != "call"
        && passed.into_iter().any(|word| CONJUNCTIONS.contains(&word.lower.as_str()) && word.lower != "that")
}

/// "And she's like, I hate dogs", "she goes: I hate dogs", "he said: I hate dogs"
fn is_handed_on(before: &[Word<'_>], gap: Gap) -> bool {
    let lower = |back: usize| {
        before.len().checked_sub(back).and_then(|at| before.get(at)).map_or("", |word| word.lower.as_str())
    };
    let clause = before.iter().rev().take(4).any(|word| REPORTS.contains(&word.lower.as_str()));
    match (lower(2), lower(1)) {
        ("is" | "was" | "are" | "were" | "am" | "'s" | "be" | "all", "like" | "all") => true,
        (_, "goes" | "like") => gap != Gap::None,
        _ => gap == Gap::Break && clause,
    }
}

/// "I live in Paris, she said."
pub(super) fn is_said_by_others(after: &[Word<'_>]) -> bool {
    let mut clause = after.iter().take(12).skip_while(|word| word.gap == Gap::None);
    let (Some(first), second) = (clause.next(), clause.next()) else { return false };
    let third = clause.next();
    let is =
        |word: Option<&Word<'_>>, list: &[&str]| word.is_some_and(|word| list.contains(&word.lower.as_str()));
    if is(Some(first), &["i", "we", "and", "but", "so", "who", "which"]) {
        return false;
    }
    // In "she says I should rest" something else is said.
    let ends = |word: Option<&Word<'_>>| {
        word.is_none_or(|word| word.gap != Gap::None || matches!(word.lower.as_str(), "me" | "us" | "to"))
    };
    is(Some(first), &REPORTS) && !is(second, &["i", "we"]) || is(second, &REPORTS) && ends(third)
}

/// "Yeah right, I love Mondays."
pub(super) fn is_sarcastic(sentence: &Sentence<'_>) -> bool {
    let words: Vec<&str> = sentence.words.iter().map(|word| word.lower.as_str()).collect();
    words
        .windows(2)
        .any(|pair| matches!(pair, ["yeah" | "sure", "right"] | ["as", "if"] | ["oh", "joy" | "great"]))
        || words.windows(2).any(|pair| matches!(pair, ["because" | "how", "i"]))
            && matches!(words.first(), Some(&"sure" | &"great" | &"yay"))
}

/// "in my novel"
pub(super) fn is_on_stage(words: &[Word<'_>]) -> bool {
    words.windows(3).any(|words| {
        matches!(words, [preposition, article, stage]
            if preposition.lower == "in"
                && matches!(article.lower.as_str(), "a" | "the" | "my" | "this" | "that")
                && STAGES.contains(&stage.lower.as_str()))
    })
}
