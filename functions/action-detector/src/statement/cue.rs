//! What begins with words that say that somebody will, should or has to do something: "I'll", "can you", "leave it to me".

use super::Statement;
use super::address::{addressed, is_address};
use super::clause::{clause_end, is_verb, stated};
use crate::action::{Doer, Kind};
use crate::cues::{CUES, Form};
use crate::due::due;
use crate::sentence::{Gap, Sentence};
use crate::verbs;
use crate::vocabulary::{
    ACTIONS_WITH_OBJECT, ADVERBS, FORMULAS, HEDGES, INFORMING, NO_ACTIONS, NO_REQUESTS, ORDERS, PHRASES, WAYS,
};

pub(super) fn of_cue(
    sentence: &Sentence<'_>,
    read: usize,
    at: usize,
    after: usize,
    form: Form,
) -> Option<(Statement, usize)> {
    let before = at.checked_sub(1).map_or("", |at| sentence.word(at));
    let hedged = HEDGES.contains(&before) || matches!(before, "you" | "they" | "i" | "we" | "don't" | "to");
    let asked = sentence.asks();
    // "I'll pay, and can you drive?" asks only at its end.
    let is_question = asked && clause_end(sentence, after) >= sentence.words.len();
    let opens = sentence.opens(at);
    let first = sentence.word(at);
    let is_meant = match form {
        Form::Commit => !hedged && !is_question && (!matches!(first, "will" | "gonna") || opens),
        Form::Offer => {
            let agreed = ["sure", "yes", "ok", "okay", "yeah", "happy", "of"].contains(&sentence.word(0));
            agreed && !hedged
        }
        Form::Own => {
            !hedged && !asked && (!matches!(first, "need" | "have" | "gotta" | "todo" | "to-do") || opens)
        }
        Form::CommitTogether | Form::Together => !hedged && !is_question,
        // "Which seat would you book?" asks for an opinion.
        Form::Ask => {
            let wants_to_know =
                at > 0 && matches!(sentence.word(0), "what" | "which" | "how" | "who" | "whose");
            !wants_to_know && !HEDGES.contains(&before) && (asked || opens || is_address(sentence, at))
        }
        Form::Tell => {
            (!matches!(first, "remember" | "make" | "kindly") || opens)
                && (!matches!(first, "you" | "you'll") || !hedged)
        }
        Form::TellGerund => first != "mind" || opens && asked,
        Form::Deliver => matches!(sentence.word(after), "have" | "get" | "receive") && !hedged && !asked,
        Form::Progressive => is_progressive(sentence, after) && !hedged && !asked,
        Form::Promise | Form::LeaveToMe | Form::ExpectOfMe | Form::Somebody => true,
    };
    if !is_meant {
        return None;
    }
    let (kind, doer, mut verb) = match form {
        Form::LeaveToMe => return left_to_me(sentence, at, after),
        Form::ExpectOfMe => return expected_of_me(sentence, at, after),
        Form::Deliver | Form::Progressive => return when_dated(sentence, read, after, form),
        Form::Promise => (Kind::Commitment, Doer::Speaker, promised(sentence, after)?),
        Form::Commit | Form::Offer => (Kind::Commitment, Doer::Speaker, after),
        Form::CommitTogether => (Kind::Commitment, Doer::Everyone, after),
        Form::Own => (Kind::Todo, Doer::Speaker, after),
        Form::Together => (Kind::Todo, Doer::Everyone, after),
        Form::Somebody => (Kind::Todo, Doer::Nobody, after),
        Form::Ask | Form::Tell | Form::TellGerund => (Kind::Todo, Doer::Other, after),
    };
    while ADVERBS.contains(&sentence.word(verb)) && verb + 1 < sentence.words.len() && verb < after + 4 {
        // "I'll go find a phone", but not "I'll go home".
        if sentence.word(verb) == "go" && WAYS.contains(&sentence.word(verb + 1)) {
            break;
        }
        verb += 1;
    }
    if sentence.has(verb, &["try", "to"]) {
        verb += 2;
    }
    if sentence.words.get(verb)?.gap == Gap::Comma && form != Form::Tell {
        return None;
    }
    // "Please remind me to": the longer cue says who is to do it.
    if first == "please"
        && let Some(inner) = CUES.iter().find(|(words, _)| words.len() > 1 && sentence.has(verb, words))
    {
        return of_cue(sentence, read, verb, verb + inner.0.len(), inner.1);
    }
    is_verb(sentence, verb, form == Form::TellGerund).then_some(())?;
    let end = clause_end(sentence, verb);
    let word = sentence.word(verb);
    let empty = NO_ACTIONS.contains(&word) && !(ACTIONS_WITH_OBJECT.contains(&word) && end > verb + 2);
    let goes_on = matches!(word, "keep" | "stop" | "start") && sentence.word(verb + 1).ends_with("ing");
    let from = if sentence.has(verb, &["make", "sure", "to"]) { verb + 3 } else { verb };
    let is_formula = FORMULAS.iter().any(|words| sentence.has(from, words) && end == from + words.len());
    let is_phrase = is_formula || PHRASES.iter().any(|words| sentence.has(from, words));
    // "You must have had fun" infers.
    let next = sentence.word(verb + 1);
    let is_inference = word == "have" && (verbs::is_past(next) || matches!(next, "had" | "been"));
    // "I don't think I'll ever understand."
    let is_never = (after..=verb).any(|at| matches!(sentence.word(at), "ever" | "never"));
    if is_inference || is_never {
        return None;
    }
    // "I should" is a wish as often as a plan, unless it says when.
    let is_wish = sentence.word(after - 1) == "should" && !ORDERS.contains(&word);
    let of_another = sentence.has(at, &["remind", "me", "to"]) && !sentence.opens(at) && before != "please";
    if kind != Kind::Question && (goes_on || is_phrase || of_another) && doer != Doer::Other {
        return None;
    }
    // "I'll remind you" takes a request, and is none of its own.
    let takes =
        sentence.has(verb, &["remind", "you"]) && !matches!(sentence.word(verb + 2), "to" | "about" | "of");
    if takes && kind == Kind::Commitment {
        return None;
    }
    let is_pause = sentence.word(at) == "let" && end == verb + 1;
    if (empty || is_pause) && form != Form::TellGerund {
        return None;
    }
    let know = sentence.has(verb, &["let", "me", "know"]);
    if matches!(form, Form::Ask | Form::Tell) && (INFORMING.contains(&word) || know) {
        return None;
    }
    let asks_about = NO_REQUESTS.contains(&word) && !(ACTIONS_WITH_OBJECT.contains(&word) && end > verb + 2);
    if form == Form::Ask && asks_about {
        return None;
    }
    let mut stated = stated(sentence, kind, doer, read, verb..end);
    if is_wish && stated.due.is_none() {
        return None;
    }
    if doer == Doer::Other
        && let Some(name) = addressed(sentence, at)
    {
        (stated.doer, stated.owner) = (Doer::Named, Some(name));
    }
    Some((stated, end))
}

/// Where the verb of "I promised Grandma that I would visit her" stands.
fn promised(sentence: &Sentence<'_>, after: usize) -> Option<usize> {
    (after..after + 5).find_map(|at| {
        if sentence.has(at, &["to"]) {
            return Some(at + 1);
        }
        if sentence.has(at, &["i", "would"]) || sentence.has(at, &["i", "will"]) {
            return Some(at + 2);
        }
        matches!(sentence.word(at), "i'd" | "i'll").then_some(at + 1)
    })
}

fn left_to_me(sentence: &Sentence<'_>, at: usize, after: usize) -> Option<(Statement, usize)> {
    if !sentence.opens(at) {
        return None;
    }
    let to_me = (after + 1..after + 7)
        .find(|at| sentence.has(*at, &["to", "me"]) || sentence.has(*at, &["with", "me"]))?;
    if to_me == after + 1 && matches!(sentence.word(after), "it" | "that" | "this") {
        return None;
    }
    let mut stated = stated(sentence, Kind::Commitment, Doer::Speaker, after, after..to_me);
    stated.what = format!("take care of {}", stated.what);
    Some((stated, to_me + 2))
}

/// "Expect the first chapter from me on Friday."
fn expected_of_me(sentence: &Sentence<'_>, at: usize, after: usize) -> Option<(Statement, usize)> {
    if !sentence.opens(at) {
        return None;
    }
    let from_me = (after + 1..after + 9).find(|at| sentence.has(*at, &["from", "me"]))?;
    let end = clause_end(sentence, from_me + 1);
    let mut stated = stated(sentence, Kind::Commitment, Doer::Speaker, after, after..from_me);
    stated.what = format!("deliver {}", stated.what);
    stated.due = stated.due.or_else(|| due(sentence, from_me..end).map(|due| due.day));
    Some((stated, end))
}

/// Whether "I'm" is followed by what one does, not by how one feels or where one is.
fn is_progressive(sentence: &Sentence<'_>, verb: usize) -> bool {
    const STATES: [&str; 16] = [
        "going", "coming", "staying", "having", "looking", "feeling", "hoping", "thinking", "doing",
        "getting", "being", "trying", "planning", "leaving", "turning", "starting",
    ];
    let word = sentence.word(verb);
    word.len() > 4 && word.ends_with("ing") && !STATES.contains(&word)
}

/// "You'll have the lease by Wednesday", "I'm taking the cat to the vet tomorrow": only the day makes it a commitment.
fn when_dated(sentence: &Sentence<'_>, read: usize, verb: usize, form: Form) -> Option<(Statement, usize)> {
    let end = clause_end(sentence, verb);
    let mut stated = stated(sentence, Kind::Commitment, Doer::Speaker, read, verb..end);
    stated.due?;
    if form == Form::Progressive {
        let clause = sentence.words.get(verb..end).unwrap_or_default();
        let within = |start: usize| clause.iter().any(|word| word.token.start == start);
        let mut days = sentence.dates.iter().filter(|date| date.period.start == date.period.end);
        if !days.any(|date| within(date.span.start)) {
            return None;
        }
        stated.what.split(' ').nth(1)?;
        stated.what = format!("be {}", stated.what);
    }
    Some((stated, end))
}
