//! What somebody said, told of them: "I want to move" becomes "Ada wants to move", "Can you help me?" becomes "Ada asks
//! Bo to help Ada".
//!
//! Nothing is reported that the rules are not sure to understand: it is quoted then. Tenses stay as they were said.

use super::caution;
use super::edges::{OPENINGS, PHRASES, TITLES, strip_endings, strip_introduction, strip_openings};
use super::names::BEFORE_NAMES;
use super::question;
use super::third_person::{retell, tell};
use super::verbs::{self, gerund_of};
use super::words::{Word, is_adverb, joined, words};

/// Who speaks, and to whom where that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) speaker: &'a str,
    pub(crate) addressee: Option<&'a str>,
}

impl Parties<'_> {
    /// Nobody known is spoken to when somebody else is called by name: "Alexa, play some music".
    fn spoken_to(self, said_around: &[Word]) -> Self {
        let Some(addressee) = self.addressee else { return self };
        // "The user" and "Speaker 2" may have any name.
        if addressee.starts_with("the ") || addressee.contains(|c: char| c.is_numeric()) {
            return self;
        }
        let names: Vec<String> = words(addressee).into_iter().map(|word| word.low).collect();
        let (mut other, mut same) = (false, false);
        for word in said_around.iter().filter(|word| {
            word.is_name()
                && !super::is_small(&word.low)
                && !verbs::is_base(&word.low)
                && !word.is(OPENINGS)
                && !word.is(TITLES)
                && !word.is(BEFORE_NAMES)
                && !PHRASES.iter().any(|phrase| phrase.contains(&word.low.as_str()))
        }) {
            // "Rob" is Robert.
            let alike = |name: &String| name.get(..3).is_some_and(|start| word.low.starts_with(start));
            let is = names.iter().any(|name| *name == word.low || alike(name));
            same |= is;
            other |= !is;
        }
        if other && !same { Self { addressee: None, ..self } } else { self }
    }
}

/// What a sentence does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It says something.
    Statement,
    /// It asks something.
    Question,
    /// It asks for something, or suggests it: one may agree.
    Request,
    /// It is a formula: thanks, an apology.
    Formula,
}

/// A sentence told of its speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// What the speaker does, to be put after their name: "wants to move". No full stop.
    pub(crate) predicate: String,
    pub(crate) act: Act,
}

impl Report {
    fn new(act: Act, predicate: impl Into<String>) -> Self {
        Self { predicate: predicate.into(), act }
    }
}

/// A sentence told of its speaker; none when it cannot be told without a risk of telling something else.
pub(crate) fn report(sentence: &str, parties: Parties<'_>) -> Option<Report> {
    if !super::is_english(sentence) {
        return None;
    }
    let asks = sentence.trim_end_matches(['"', '\'', ')', ' ', '.']).ends_with('?');
    let mut all = words(sentence);
    if caution::quotes(sentence, &all) || caution::is_unclear(&all) {
        return None;
    }
    // "So do I" agrees and asks nothing.
    if !asks
        && let [so, auxiliary, subject, ..] = all.as_slice()
        && so.is(&["so", "neither", "nor"])
        && verbs::is_auxiliary(&auxiliary.low)
        && is_pronoun(&subject.low)
    {
        return None;
    }
    let length = all.len();
    let mut called = all.clone();
    let polite = strip_openings(&mut all);
    called.truncate(length - all.len());
    let before = all.clone();
    let tagged = strip_endings(&mut all);
    called.extend(before.into_iter().skip(all.len()));
    let parties = parties.spoken_to(&called);
    strip_introduction(&mut all);
    let first = all.first()?;
    // Who says "You like it, don't you?" wants to know; "It's cold, isn't it?" and "I wonder if you can?" say so.
    // "I don't suppose you sell it, do you?" asks about something else than what it says.
    if tagged && caution::wonders(&all) {
        return None;
    }
    let asks = if tagged {
        first.is(&["you", "your", "i", "we", "he", "she", "they", "he's", "she's", "they're"])
    } else {
        asks && !caution::wonders(&all)
    };
    if asks || question::is_inverted(&all) {
        return question::ask(&all, parties);
    }
    // "Should you need anything, …", "Had I known, …": conditions.
    if first.is(&["should", "had", "were"]) {
        return None;
    }
    formula(&all, parties)
        .or_else(|| suggestion(&all, parties))
        .or_else(|| order(&all, parties, polite))
        .or_else(|| statement(&all, parties))
}

/// "Let's go" and the like.
fn suggestion(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let rest = match all {
        [first, rest @ ..] if first.low == "let's" => rest,
        [first, second, rest @ ..] if first.low == "let" && second.low == "us" => rest,
        [first, second, third, rest @ ..]
            if first.low == "why" && second.low == "don't" && third.low == "we" =>
        {
            rest
        }
        _ => return None,
    };
    // "Let's be honest, I hate boats", "Let's say I sell it".
    if rest.first()?.is(&["say", "see", "face", "be", "hope", "suppose", "assume", "imagine", "pretend"]) {
        return None;
    }
    let doing = doing(rest)?;
    Some(Report::new(Act::Request, format!("suggests {}", tell(&doing, parties)?)))
}

/// A verb phrase as a noun: "go to the beach" → "going to the beach".
pub(super) fn doing(verb_phrase: &[Word]) -> Option<Vec<Word>> {
    let (verb, rest) = verb_phrase.split_first()?;
    if verb.low == "not" {
        let mut told = vec![verb.clone()];
        told.extend(doing(rest)?);
        return Some(told);
    }
    let plain = verb.low.chars().all(|c| c.is_ascii_lowercase()) && !is_adverb(&verb.low);
    if !plain {
        return None;
    }
    let mut first = Word { after: verb.after.clone(), ..Word::new(&gerund_of(&verb.low)) };
    first.before.clone_from(&verb.before);
    let mut told = vec![first];
    let mut after_and = false;
    for word in rest {
        let joined_verb = after_and && verbs::is_base(&word.low);
        after_and = word.low == "and";
        told.push(if joined_verb {
            Word { after: word.after.clone(), ..Word::new(&gerund_of(&word.low)) }
        } else {
            word.clone()
        });
    }
    Some(told)
}

/// "Please call me", "Don't forget the keys".
fn order(all: &[Word], parties: Parties<'_>, polite: bool) -> Option<Report> {
    let addressee = parties.addressee?;
    let (not, rest) = match all {
        [first, rest @ ..] if first.is(&["don't", "never"]) => ("not ", rest),
        [first, second, rest @ ..] if first.low == "do" && second.low == "not" => ("not ", rest),
        [first, rest @ ..] if first.low == "just" || first.low == "always" => ("", rest),
        _ => ("", all),
    };
    let verb = rest.first().filter(|verb| verbs::is_base(&verb.low) && !verb.after.contains(','))?;
    let next = rest.get(1);
    if next.is_some_and(caution::is_noun_before_verb) || caution::is_no_order(rest, !not.is_empty(), polite) {
        return None;
    }
    // "Book two is better": a noun; "Let me see" and "Thank you" are nobody's orders.
    let noun = next.is_some_and(|next| verbs::is_auxiliary(&next.low) || verbs::is_modal(&next.low));
    let mine = verb.is(&[
        "let", "thank", "suppose", "guess", "hope", "wish", "bet", "sound", "mean", "seem", "need",
        "welcome", "do",
    ]) || verb.low == "see" && next.is_some_and(|next| next.low == "you")
        || verb.is(&["have", "take"]) && next.is_some_and(|next| next.is(&["a", "care"])) && !polite
        || verb.is(&["excuse", "believe"]);
    if noun || mine || rest.len() < 2 {
        return None;
    }
    let says = if polite { "asks" } else { "tells" };
    let mut what = rest.to_vec();
    if let Some(first) = what.first_mut() {
        first.text.clone_from(&first.low);
    }
    Some(Report::new(Act::Request, format!("{says} {addressee} {not}to {}", tell(&what, parties)?)))
}

/// Thanks and apologies.
fn formula(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let whom = parties.addressee.map_or_else(String::new, |addressee| format!(" {addressee}"));
    match all {
        [first, rest @ ..] if first.is(&["thank", "thanks"]) => {
            let mut rest = rest;
            while let [word, others @ ..] = rest
                && word.is(&[
                    "you", "so", "very", "much", "a", "lot", "again", "anyway", "all", "million", "ton",
                ])
            {
                rest = others;
            }
            match rest {
                [first, what, ..] if first.low == "for" && what.low == "nothing" => None,
                [first, ..] if first.low == "for" => {
                    Some(Report::new(Act::Formula, format!("thanks{whom} {}", tell(rest, parties)?)))
                }
                [] => Some(Report::new(Act::Formula, format!("thanks{whom}"))),
                _ => None,
            }
        }
        [i, am, rest @ ..] if i.low == "i" && am.low == "am" => {
            let rest = match rest {
                [very, rest @ ..] if very.is(&["so", "very", "really", "terribly", "awfully"]) => rest,
                _ => rest,
            };
            match rest {
                [sorry] if sorry.low == "sorry" => Some(Report::new(Act::Formula, "apologizes")),
                // "I'm sorry for your loss" apologizes for nothing.
                [sorry, why, whose, ..]
                    if sorry.low == "sorry"
                        && why.is(&["for", "about"])
                        && !whose.is(&["your", "his", "her", "their", "you", "him", "them"]) =>
                {
                    let why = rest.get(2..).unwrap_or_default();
                    Some(Report::new(Act::Formula, format!("apologizes for {}", tell(why, parties)?)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// What comes after "I'd love to, but" and "I did, but".
fn after_but(all: &[Word]) -> Option<&[Word]> {
    let but = all.iter().take(6).position(|word| word.low == "but")?;
    let before = all.get(..but)?;
    let last = before.last()?;
    let nothing = last.is(&["to", "did", "do", "am", "was", "have", "can", "will", "would", "could"]);
    (nothing && before.first()?.low == "i" && before.len() <= 5).then(|| all.get(but + 1..)).flatten()
}

/// A statement: of the speaker's own doing, or of anything else.
fn statement(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    if caution::is_general(all) {
        return None;
    }
    if let Some(rest) = after_but(all).filter(|rest| !rest.is_empty()) {
        return statement(rest, parties);
    }
    if let [first, rest @ ..] = all
        && first.low == "i"
        && first.after.is_empty()
        && rest.first().is_some_and(|verb| !verb.low.starts_with(|c: char| c.is_numeric()))
    {
        let mut told = retell(&once(all), parties)?;
        told.remove(0);
        shorten(&mut told);
        return Some(Report::new(Act::Statement, joined(&told)));
    }
    if let Some(report) = advice(all, parties) {
        return Some(report);
    }
    if !has_verb(all) || all.first().is_some_and(|first| first.is(&["don't", "let's"])) {
        return None;
    }
    // "Miss you", "Quit my job": somebody's doing without the somebody.
    if let [first, next, ..] = all
        && verbs::is_base(&first.low)
        && first.low != "let"
        && !caution::is_noun_before_verb(next)
        && !verbs::is_auxiliary(&next.low)
    {
        return None;
    }
    let mut told = all.to_vec();
    lower_first(&mut told);
    Some(Report::new(Act::Statement, format!("says {}", tell(&told, parties)?)))
}

/// "You should see a doctor", "You'd better hurry".
fn advice(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let addressee = parties.addressee?;
    let rest = match all {
        [you, should, rest @ ..] if you.low == "you" && should.low == "should" && you.after.is_empty() => {
            rest
        }
        [you, had, better, rest @ ..] if you.low == "you" && had.low == "had" && better.low == "better" => {
            rest
        }
        _ => return None,
    };
    let (not, rest) = match rest {
        [not, rest @ ..] if not.low == "not" => ("not ", rest),
        _ => ("", rest),
    };
    let verb = rest.first()?;
    if verb.low == "have" || is_adverb(&verb.low) {
        return None;
    }
    Some(Report::new(Act::Request, format!("advises {addressee} {not}to {}", tell(rest, parties)?)))
}

/// "I came and I saw" → "I came and saw".
fn once(all: &[Word]) -> Vec<Word> {
    let mut kept: Vec<Word> = Vec::with_capacity(all.len());
    for (at, word) in all.iter().enumerate() {
        let again = word.low == "i"
            && at > 0
            && kept.last().is_some_and(|before| before.is(&["and", "but"]) && before.after.is_empty());
        // The verb that follows has to agree with a subject that is not there any more.
        if again {
            kept.push(Word { text: String::new(), ..word.clone() });
        } else {
            kept.push(word.clone());
        }
    }
    kept
}

/// Shorter ways of saying the same: "would like to go" → "wants to go", "is going to call" → "will call".
fn shorten(told: &mut Vec<Word>) {
    let low: Vec<&str> = told.iter().map(|word| word.low.as_str()).collect();
    let (count, new) = match low.as_slice() {
        ["would", "like" | "love", "it" | "if" | "that", ..] => return,
        ["would", "like" | "love", ..] => (2, "wants"),
        ["would", "also" | "really", "like" | "love", ..] => (3, "wants"),
        // "going to work" may be a way.
        ["is", "going", "to", verb, ..] if verbs::is_base(verb) && *verb != "work" => (3, "will"),
        ["is", "gonna", ..] => (2, "will"),
        [
            "just" | "really" | "actually" | "simply" | "definitely" | "certainly" | "totally" | "honestly"
            | "also",
            ..,
        ] => (1, ""),
        ["wanna", ..] => (1, "wants to"),
        ["has", "got", "to", ..] => (3, "needs to"),
        ["has", "got", ..] => (2, "has"),
        ["guesses" | "supposes" | "reckons" | "guess", ..] => (1, "thinks"),
        _ => return,
    };
    let mut rest = told.split_off(count.min(told.len()));
    told.clear();
    if !new.is_empty() {
        told.push(Word::new(new));
    }
    told.append(&mut rest);
}

/// Whether there is a verb anywhere, as far as can be seen.
pub(super) fn has_verb(all: &[Word]) -> bool {
    all.iter().any(|word| {
        let low = word.low.as_str();
        verbs::is_auxiliary(low)
            || verbs::is_base(low)
            || verbs::is_past(low)
            || ["'s", "'re", "'ll", "'ve", "'d"].iter().any(|ending| low.ends_with(ending))
            || low.strip_suffix("es").or_else(|| low.strip_suffix('s')).is_some_and(verbs::is_base)
            || low.strip_suffix('s').is_some_and(verbs::is_base)
    })
}

/// A small letter for a first word that is not a name.
pub(super) fn lower_first(all: &mut [Word]) {
    // "Will told me", "Hope called": somebody.
    let named = matches!(all, [first, next, ..] if first.is(&["will", "hope", "may", "mark", "love", "win"])
        && (caution::is_noun_before_verb(next) || verbs::is_auxiliary(&next.low)));
    if let Some(first) = all.first_mut().filter(|_| !named)
        && first.low != "i"
        && (!first.low.ends_with("'s")
            || is_pronoun(first.low.trim_end_matches("'s"))
            || first.low == "here's")
        && first.text.chars().skip(1).all(|c| !c.is_uppercase())
        && (super::is_small(&first.low) || verbs::is_base(&first.low) || is_adverb(&first.low))
    {
        first.text.clone_from(&first.low);
    }
}

pub(super) fn is_pronoun(word: &str) -> bool {
    [
        "i", "you", "we", "he", "she", "it", "they", "there", "this", "that", "these", "those", "anyone",
        "someone", "everyone", "anybody", "somebody", "everybody", "anything", "something", "everything",
    ]
    .contains(&word)
}
