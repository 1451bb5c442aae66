//! From one message to the facts it tells: which sentences count, and where in them somebody speaks of themselves.

use std::collections::BTreeSet;

use domain::{Event, EventKind};
use jiff::civil::Date;
use jiff::{Span, ToSpan};
use model::dates::{dates_among, said_on};
use model::text;
use model::tokens::tokens;

use super::attribute::{Attribute, Fact, Polarity, Subject};
use super::lists::{ACTIVITIES, PARTINGS, STATUSES};
use super::pattern::{Match, matched};
use super::rules::{GRANTED, OWN, Rule};
use super::value::{Reader, Sentence, is_adverb, number};
use super::words::{Gap, quotations, words};
use crate::lexicon::{self, fold};
use crate::names::Kind;
use crate::said::own_words;
use crate::think::{is_personal_name, spelled};

/// How many facts one message is believed to hold; a pasted document may hold more.
const MOST_FACTS: usize = 20;
/// How far back it is looked for what a word depends on, in words.
const LOOK_BACK: usize = 40;
/// A longer sentence is read in parts of so many words: what is said of one word may take all of them.
const LONGEST_SENTENCE: usize = 200;

/// What may stand before somebody begins to speak of themselves.
const OPENERS: [&str; 56] = [
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
const JOKES: [&str; 9] =
    ["kidding", "jk", "sarcasm", "hypothetically", "hypothetical", "roleplay", "role-play", "joking", "/s"];

/// Whoever asks for a text gives one that is not about themselves.
const REQUESTS: [&str; 14] = [
    "translate", "rewrite", "rephrase", "proofread", "paraphrase", "draft", "compose", "summarize",
    "summarise", "write", "generate", "correct", "roleplay", "edit",
];

/// Where what is told does not hold.
const STAGES: [&str; 16] = [
    "dream", "dreams", "game", "novel", "story", "movie", "film", "play", "book", "series", "show",
    "example", "theory", "nightmare", "simulation", "exercise",
];

/// Who speaks, when it is a person: a named speaker or a user, and never the assistant.
pub(crate) fn speaker(event: &Event) -> Option<Subject> {
    if !event.is_said() || event.kind != EventKind::Message || event.role == "assistant" {
        return None;
    }
    let speaker = match event.speaker.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) if is_personal_name(name) => Some(spelled(name)),
        _ if event.role == "user" => None,
        _ => return None,
    };
    Some(Subject { speaker, relative: None })
}

/// Whether a message may tell anything of its speaker.
pub(crate) fn is_of_interest(event: &Event) -> bool {
    const CUES: [&str; 46] = [
        "live", "living", "lived", "moved", "moving", "work", "working", "worked", "job", "married",
        "divorced", "born", "allergic", "allergy", "vegan", "vegetarian", "eat", "drink", "love", "like",
        "enjoy", "hate", "prefer", "favourite", "name", "call", "birthday", "speak", "own", "study",
        "studying", "play", "home", "family", "husband", "wife", "son", "daughter", "children", "sister",
        "brother", "dog", "cat", "from", "hobby", "passionate",
    ];
    if speaker(event).is_none() {
        return false;
    }
    let text = own_words(&event.content);
    let words = words(&text, &tokens(&text), &[]);
    let of_self = words.iter().any(|word| matches!(word.lower.as_str(), "i" | "my" | "we" | "our" | "me"));
    of_self && words.iter().any(|word| CUES.contains(&word.lower.as_str()))
}

/// The facts a message tells, each with since when it holds, where that is said. `last` is what the speaker told last.
/// `speakers` are those who speak in the window.
pub(super) fn told(
    event: &Event,
    speaker: &Subject,
    last: Option<Attribute>,
    speakers: &BTreeSet<String>,
) -> Vec<(Fact, Option<Date>)> {
    let text = own_words(&event.content);
    let all = tokens(&text);
    let quotations = quotations(&text);
    let said = said_on(event.occurred_at, &event.payload);
    let mut facts: Vec<(Fact, Option<Date>)> = Vec::new();
    let mut last = last;
    let mut requested = false;
    for span in text::sentence_spans(&text) {
        let first = all.partition_point(|token| token.start < span.start);
        let end = all.partition_point(|token| token.start < span.end);
        let asks = text
            .get(span.clone())
            .is_some_and(|sentence| sentence.trim_end_matches(['"', '”', ')', ' ']).ends_with('?'));
        for tokens in all.get(first..end).unwrap_or_default().chunks(LONGEST_SENTENCE) {
            let words = words(&text, tokens, &quotations);
            let sentence = Sentence { words, dates: dates_among(&text, tokens, said), speakers };
            if sentence.words.iter().any(|word| JOKES.contains(&word.lower.as_str())) {
                return Vec::new();
            }
            let mut opening = sentence.words.iter().take(4).map(|word| word.lower.as_str());
            requested |= !matches!(sentence.lower(0), "i" | "we" | "my")
                && opening.any(|word| REQUESTS.contains(&word));
            if requested || is_sarcastic(&sentence) || facts.len() >= MOST_FACTS {
                continue;
            }
            let mut found = told_in(&sentence, speaker, asks);
            if found.is_empty() && !asks {
                found.extend(correction(&sentence, speaker, last));
            }
            for (fact, at) in found {
                if fact.subject.relative.is_none() && fact.attribute.is_single() {
                    last = Some(fact.attribute);
                }
                let since = since(&sentence, &fact, at, said);
                facts.push((fact, since));
            }
        }
    }
    facts.truncate(MOST_FACTS);
    facts
}

/// The facts of one sentence, and where in it each begins.
fn told_in(sentence: &Sentence<'_>, speaker: &Subject, asks: bool) -> Vec<(Fact, usize)> {
    let mut facts = Vec::new();
    let mut at = 0;
    if let Some((rule, found)) = elided(sentence).filter(|(_, found)| holds(sentence, found, asks)) {
        at = found.end;
        facts.extend(made(rule, &found, sentence, speaker).into_iter().map(|fact| (fact, 0)));
    }
    while at < sentence.words.len() {
        let found = granted(sentence, at)
            .filter(|(_, found)| may_speak(sentence, at, true) && is_granted(sentence, at, found));
        if let Some((rule, found)) = &found {
            facts.extend(made(rule, found, sentence, speaker).into_iter().map(|fact| (fact, at)));
        }
        let mut next = at + 1;
        if may_speak(sentence, at, false)
            && let Some((rule, found)) = first_match(sentence, at)
            && holds(sentence, &found, asks)
        {
            facts.extend(made(rule, &found, sentence, speaker).into_iter().map(|fact| (fact, at)));
            next = found.end.max(next);
            // "I live in Lisbon and work at Acme."
            let mut end = found.end;
            while let Some((rule, found)) =
                continued(sentence, at, end).filter(|(_, found)| holds(sentence, found, asks))
            {
                facts.extend(made(rule, &found, sentence, speaker).into_iter().map(|fact| (fact, end)));
                end = found.end;
                next = end;
            }
        }
        at = next;
    }
    facts
}

fn granted<'r>(sentence: &Sentence<'_>, at: usize) -> Option<(&'r Rule, Match)> {
    matches!(sentence.lower(at), "my" | "our").then_some(())?;
    GRANTED.iter().find_map(|rule| Some((rule, matched(&rule.elements, sentence, at)?)))
}

fn first_match<'r>(sentence: &Sentence<'_>, at: usize) -> Option<(&'r Rule, Match)> {
    OWN.iter().find_map(|rule| Some((rule, matched(&rule.elements, sentence, at)?)))
}

/// What follows "and" without saying again who it is about.
fn continued<'r>(sentence: &Sentence<'_>, subject: usize, end: usize) -> Option<(&'r Rule, Match)> {
    let subject = sentence.lower(subject);
    if !matches!(subject, "i" | "we") || !matches!(sentence.lower(end), "and" | "but") {
        return None;
    }
    let mut at = end + 1;
    while is_adverb(sentence.lower(at)) {
        at += 1;
    }
    if matches!(sentence.lower(at), "i" | "we" | "my" | "our" | "") {
        return None;
    }
    unsaid(sentence, subject, at)
}

/// "Moved to Lisbon last week.": nobody but the speaker is meant.
fn elided<'r>(sentence: &Sentence<'_>) -> Option<(&'r Rule, Match)> {
    let at = sentence
        .words
        .iter()
        .take_while(|word| OPENERS.contains(&word.lower.as_str()) || is_adverb(&word.lower))
        .count();
    let begins = sentence.words.get(at).is_some_and(|word| !word.quoted);
    if !begins || !matches!(sentence.lower(at), "moved" | "lost" | "quit" | "adopted" | "retired") {
        return None;
    }
    unsaid(sentence, "i", at)
}

/// What is said of somebody who is not named again.
fn unsaid<'r>(sentence: &Sentence<'_>, subject: &str, at: usize) -> Option<(&'r Rule, Match)> {
    OWN.iter().find_map(|rule| {
        let [super::pattern::Element::Words(first), rest @ ..] = rule.elements.as_slice() else {
            return None;
        };
        if !first.contains(&subject) || matches!(rest.first(), Some(super::pattern::Element::Slot(..))) {
            return None;
        }
        Some((rule, matched(rest, sentence, at)?))
    })
}

/// Whether a statement of the speaker's own may begin at a word.
fn may_speak(sentence: &Sentence<'_>, at: usize, anywhere: bool) -> bool {
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

/// Whether what was found is said to be so: not asked, not under a condition, not in a story.
fn holds(sentence: &Sentence<'_>, found: &Match, asks: bool) -> bool {
    let after = sentence.words.get(found.end..).unwrap_or_default();
    let next = after.first();
    if next.is_some_and(|word| {
        matches!(word.lower.as_str(), "if" | "unless" | "or" | "until") && word.gap == Gap::None
    }) {
        return false;
    }
    if asks && !after.iter().any(|word| word.gap != Gap::None) {
        return false;
    }
    !is_said_by_others(after)
        && !is_on_stage(after.get(..5.min(after.len())).unwrap_or_default())
        && found.found.iter().all(|(attribute, ..)| lasts(*attribute, sentence, found))
}

/// "And she's like, I hate dogs", "she goes: I hate dogs", "he said: I hate dogs"
fn is_handed_on(before: &[super::words::Word<'_>], gap: Gap) -> bool {
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
fn is_said_by_others(after: &[super::words::Word<'_>]) -> bool {
    let mut clause = after.iter().take(12).skip_while(|word| word.gap == Gap::None);
    let (Some(first), second) = (clause.next(), clause.next()) else { return false };
    let third = clause.next();
    let is = |word: Option<&super::words::Word<'_>>, list: &[&str]| {
        word.is_some_and(|word| list.contains(&word.lower.as_str()))
    };
    if is(Some(first), &["i", "we", "and", "but", "so", "who", "which"]) {
        return false;
    }
    // In "she says I should rest" something else is said.
    let ends = |word: Option<&super::words::Word<'_>>| {
        word.is_none_or(|word| word.gap != Gap::None || matches!(word.lower.as_str(), "me" | "us" | "to"))
    };
    is(Some(first), &REPORTS) && !is(second, &["i", "we"]) || is(second, &REPORTS) && ends(third)
}

/// "Yeah right, I love Mondays."
fn is_sarcastic(sentence: &Sentence<'_>) -> bool {
    let words: Vec<&str> = sentence.words.iter().map(|word| word.lower.as_str()).collect();
    words
        .windows(2)
        .any(|pair| matches!(pair, ["yeah" | "sure", "right"] | ["as", "if"] | ["oh", "joy" | "great"]))
        || words.windows(2).any(|pair| matches!(pair, ["because" | "how", "i"]))
            && matches!(words.first(), Some(&"sure" | &"great" | &"yay"))
}

/// Whether what is said of a person is said of more than a day, an occasion or a kind of it.
fn lasts(attribute: Attribute, sentence: &Sentence<'_>, found: &Match) -> bool {
    let end = found.end;
    let next = sentence.joined(end).map_or("", |word| word.lower.as_str());
    let second = sentence.joined(end + 1).map_or("", |word| word.lower.as_str());
    let rest = || sentence.words.iter().skip(end).take(4).map(|word| word.lower.as_str());
    let years = || {
        rest().any(|word| {
            matches!(word, "years" | "year" | "decades" | "ages" | "months" | "childhood" | "forever")
        })
    };
    let is_of_today =
        matches!(next, "today" | "tonight" | "tomorrow") || matches!((next, second), ("right", "now"));
    let for_a_while = next == "for"
        && (matches!(second, "the" | "this" | "now" | "lent" | "january")
            || second == "a"
                && rest().any(|word| matches!(word, "few" | "day" | "week" | "weekend" | "month" | "while")));
    match attribute {
        Attribute::Home => {
            let goes_on = rest().any(|word| matches!(word, "past" | "last" | "years"));
            // "We moved to Jira": many move to what is no place.
            let words: Vec<&str> =
                sentence.words.iter().take(end).rev().take(9).map(|word| word.lower.as_str()).collect();
            let is_move =
                words.contains(&"we") && words.iter().any(|word| matches!(*word, "moved" | "relocated"));
            let is_place = || {
                found.found.iter().all(|(of, value, _)| {
                    *of != attribute || lexicon::listed(&fold(value)) == Some(Kind::Place)
                })
            };
            (!is_move || is_place())
                && !is_of_today
                && (!for_a_while || goes_on || matches!(sentence.lower(end - 1), "for" | "since" | "all"))
        }
        Attribute::Employer => !is_of_today,
        Attribute::Name | Attribute::Nickname | Attribute::Occupation => next != "'s",
        Attribute::Hobby => {
            let since = sentence.lower(end - 1);
            let listed = found
                .found
                .iter()
                .filter(|(of, ..)| *of == attribute)
                .all(|(_, value, _)| ACTIVITIES.contains(&value.split(' ').next().unwrap_or_default()));
            !matches!(since, "for" | "since")
                || listed
                    && (years()
                        || sentence.lower(end).parse::<u16>().is_ok_and(|year| (1900..2100).contains(&year))
                        || since == "since" && matches!(next, "i" | "childhood" | "college" | "school"))
        }
        Attribute::Relationship => {
            let got = sentence.words.iter().take(end).any(|word| word.lower == "got");
            let apart = found.found.iter().any(|(_, value, _)| value == "separated");
            let later = sentence.words.iter().skip(end).any(|word| STATUSES.contains(&word.lower.as_str()));
            !(later || got && apart)
        }
        Attribute::Diet => {
            let went =
                sentence.words.iter().take(end).any(|word| matches!(word.lower.as_str(), "went" | "turned"));
            let at_times = matches!(
                next,
                "most"
                    | "mostly"
                    | "on"
                    | "at"
                    | "except"
                    | "apart"
                    | "during"
                    | "when"
                    | "whenever"
                    | "sometimes"
                    | "once"
                    | "as"
            );
            let for_a_time = next == "for" && (went || !years());
            let tried = went && next == "but";
            !at_times && !for_a_time && !tried && !is_of_today
        }
        Attribute::Relative if sentence.lower(end - 1) == "died" => {
            let in_jest = matches!(second, "embarrassment" | "laughter" | "boredom" | "shame");
            !in_jest
                && (sentence.ends_at(end)
                    || matches!(
                        next,
                        "in" | "of"
                            | "from"
                            | "when"
                            | "after"
                            | "on"
                            | "at"
                            | "suddenly"
                            | "peacefully"
                            | "last"
                            | "this"
                            | "while"
                            | "before"
                            | "during"
                            | "young"
                    )
                    || number(next).is_some())
        }
        _ => true,
    }
}

/// "I don't like pizza with pineapple" says nothing of pizza.
fn is_whole(attribute: Attribute, polarity: Polarity, sentence: &Sentence<'_>, end: usize) -> bool {
    let loses_all = attribute.is_single() || attribute == Attribute::Relative;
    if polarity == Polarity::Positive || polarity == Polarity::Ended && loses_all {
        return true;
    }
    let lower = |ahead: usize| sentence.lower(end + ahead);
    if matches!(sentence.lower(end.saturating_sub(1)), "in" | "for") {
        // "I haven't eaten meat in ten years."
        return (0..4)
            .any(|ahead| matches!(lower(ahead), "years" | "months" | "ages" | "forever" | "decades"));
    }
    let Some(next) = sentence.words.get(end) else { return true };
    let word = next.lower.as_str();
    let excepts = matches!(word, "except" | "unless" | "apart")
        || matches!(word, "but" | "only")
            && matches!(lower(1), "for" | "when" | "with" | "in" | "on" | "from" | "if" | "at");
    let goes_on = matches!(
        word,
        "yet"
            | "and"
            | "but"
            | "so"
            | "now"
            | "too"
            | "because"
            | "since"
            | "though"
            | "either"
            | "or"
            | "myself"
    );
    let closes = matches!((word, lower(1)), ("any", "more" | "longer") | ("at", "all"));
    let is_day = polarity == Polarity::Ended && sentence.is_date(next);
    !excepts && (word, lower(1)) != ("and", "drive") && (next.gap != Gap::None || goes_on || closes || is_day)
}

/// "Tom is not my boyfriend", "my girlfriend and I broke up"
fn is_granted(sentence: &Sentence<'_>, at: usize, found: &Match) -> bool {
    let before: Vec<&str> =
        sentence.words.iter().take(at).skip(at.saturating_sub(4)).map(|word| word.lower.as_str()).collect();
    let denied = before
        .iter()
        .any(|word| matches!(*word, "not" | "never" | "no" | "without" | "former" | "ex" | "nor" | "longer"))
        || before
            .last()
            .is_some_and(|word| matches!(*word, "was" | "were" | "be" | "become" | "like" | "as" | "been"));
    let partner = |value: &str| {
        matches!(
            value,
            "wife" | "husband" | "girlfriend" | "boyfriend" | "fiancé" | "fiancée" | "partner" | "spouse"
        )
    };
    let of_partner = found.found.iter().any(|(_, value, _)| partner(value));
    let of_kin = found.found.iter().any(|(attribute, ..)| *attribute == Attribute::Relative);
    let parted = sentence.words.iter().any(|word| PARTINGS.contains(&word.lower.as_str()))
        || sentence.words.windows(2).any(|pair| {
            matches!(pair, [one, two] if one.lower == "left" && two.lower == "me" || one.lower == "passed" && two.lower == "away")
        })
        || matches!((sentence.lower(found.end), sentence.lower(found.end + 1)), ("was", "a" | "an" | "the" | "my"));
    let is_name_of_other = sentence.lower(found.end) == "'s" && sentence.lower(found.end + 1) == "ex";
    let said = is_said_by_others(sentence.words.get(found.end..).unwrap_or_default());
    !(denied || is_name_of_other || said || of_partner && of_kin && parted)
}

/// "in my novel"
fn is_on_stage(words: &[super::words::Word<'_>]) -> bool {
    words.windows(3).any(|words| {
        matches!(words, [preposition, article, stage]
            if preposition.lower == "in"
                && matches!(article.lower.as_str(), "a" | "the" | "my" | "this" | "that")
                && STAGES.contains(&stage.lower.as_str()))
    })
}

/// The facts of what fits a rule: none of what is only denied in part.
fn made(rule: &Rule, found: &Match, sentence: &Sentence<'_>, speaker: &Subject) -> Vec<Fact> {
    let after = (sentence.lower(found.end), sentence.lower(found.end + 1));
    let is_over = matches!(after, ("any", "more" | "longer"));
    let polarity =
        if rule.polarity == Polarity::Negative && is_over { Polarity::Ended } else { rule.polarity };
    let subject = Subject { relative: found.relative.clone(), ..speaker.clone() };
    let whole = |(attribute, ..): &&(Attribute, String, String)| {
        is_whole(*attribute, rule.polarity, sentence, found.end)
    };
    let fact = |(attribute, value, detail): &(Attribute, String, String)| Fact {
        subject: subject.clone(),
        attribute: *attribute,
        value: value.clone(),
        detail: detail.clone(),
        polarity,
        confidence: rule.confidence,
    };
    found.found.iter().filter(whole).map(fact).collect()
}

/// "Actually it's Porto now": a new value of what was told last.
fn correction(sentence: &Sentence<'_>, speaker: &Subject, last: Option<Attribute>) -> Option<(Fact, usize)> {
    let attribute = last?;
    let reader = match attribute {
        Attribute::Home | Attribute::Origin => Reader::Place,
        Attribute::Employer | Attribute::School => Reader::Organisation,
        Attribute::Name | Attribute::Nickname => Reader::Person,
        Attribute::Age => Reader::Number,
        Attribute::Birthday => Reader::Date,
        Attribute::Occupation => Reader::Job,
        _ => return None,
    };
    let is_cue = |word: &str| {
        matches!(word, "actually" | "sorry" | "correction" | "now" | "meant" | "wait" | "oops" | "rather")
    };
    let cued = sentence.words.iter().any(|word| is_cue(&word.lower));
    if !cued || sentence.words.len() > 12 || sentence.words.iter().any(|word| word.quoted) {
        return None;
    }
    (0..sentence.words.len()).find_map(|at| {
        let before = sentence.words.get(..at)?;
        let opens = before.iter().all(|word| OPENERS.contains(&word.lower.as_str()) || is_cue(&word.lower));
        let length = match (sentence.lower(at), sentence.lower(at + 1)) {
            ("it", "is") | ("make", "that" | "it") | ("i", "meant" | "mean") => 2,
            ("i", "am") if attribute == Attribute::Age => 2,
            _ => 0,
        };
        if !opens || (length == 0 && !(at > 0 && before.iter().any(|word| is_cue(&word.lower)))) {
            return None;
        }
        let mut from = at + length;
        // "It's in Madrid" is said of a meeting, "it's on Monday" of a birthday.
        while matches!(sentence.lower(from), "a" | "an")
            || attribute == Attribute::Birthday && matches!(sentence.lower(from), "in" | "on")
            || attribute == Attribute::Employer && sentence.lower(from) == "at"
            || is_adverb(sentence.lower(from))
        {
            from += 1;
        }
        let read = sentence.read(reader, from)?;
        if !sentence.ends_at(read.end) {
            return None;
        }
        let fact = Fact {
            subject: speaker.clone(),
            attribute,
            value: read.values.into_iter().next()?,
            detail: String::new(),
            polarity: Polarity::Positive,
            confidence: 0.75,
        };
        Some((fact, at))
    })
}

/// Since when something holds: the only day or period that is said beside it, or "for seven years".
fn since(sentence: &Sentence<'_>, fact: &Fact, at: usize, said: Date) -> Option<Date> {
    if matches!(
        fact.attribute,
        Attribute::Age | Attribute::Birthday | Attribute::Favourite | Attribute::Prefers
    ) {
        return None;
    }
    // In "my son passed his exam yesterday" the day is not that of having a son.
    let is_granted = matches!(sentence.lower(at), "my" | "our") && fact.polarity == Polarity::Positive;
    if is_granted && matches!(fact.attribute, Attribute::Relative | Attribute::Pet | Attribute::Children) {
        return None;
    }
    let start = sentence.words.get(at)?.start;
    let mut after = sentence.dates.iter().filter(|date| date.span.start >= start);
    if let (Some(date), None) = (after.next(), after.next()) {
        return (date.period.start <= said).then_some(date.period.start);
    }
    let from = sentence.words.get(at..)?;
    from.windows(3).find_map(|words| {
        let [preposition, count, unit] = words else { return None };
        let count: i64 = match count.lower.as_str() {
            "a" | "one" => 1,
            "two" => 2,
            "three" => 3,
            "four" => 4,
            "five" => 5,
            "six" => 6,
            "seven" => 7,
            "eight" => 8,
            "nine" => 9,
            "ten" => 10,
            other => other.parse().ok().filter(|count| (1..100).contains(count))?,
        };
        let back: Span = match unit.lower.as_str() {
            "year" | "years" => count.years(),
            "month" | "months" => count.months(),
            "week" | "weeks" => count.weeks(),
            _ => return None,
        };
        (preposition.lower == "for").then(|| said.checked_sub(back).ok()).flatten()
    })
}
