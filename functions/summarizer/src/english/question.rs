//! Questions told of who asks them: "What do you want?" becomes "asks what Bo wants".

use super::caution;
use super::report::{Act, Parties, Report, doing, is_pronoun, lower_first};
use super::third_person::tell;
use super::verbs::{self, of_third_person, past_of};
use super::words::{Word, is_adverb};

/// Verbs that nobody is asked to do: "Can you swim?" asks whether, "Can you call?" asks to.
const ABLE: &[&str] = &[
    "swim", "speak", "drive", "see", "hear", "remember", "believe", "imagine", "like", "mind", "be", "have",
    "understand", "ride", "sing", "cook", "feel", "smell", "know", "want", "get", "love", "stand", "hate",
    "need", "prefer",
];

/// Words that begin a condition.
const CONDITIONS: &[&str] = &["if", "when", "since", "after", "before", "as"];

/// A question without its mark; none when its words cannot be put in the order of a report.
pub(super) fn ask(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let comma = all.iter().position(|word| word.after.contains([',', ';', '-', '.']));
    if let Some((before, after)) = comma.and_then(|comma| all.split_at_checked(comma + 1)) {
        // "I lost my key, can you help me?", "Should you need anything, …?", "Are you hungry, or are you tired?"
        let first = before.first()?;
        let inverted = after.windows(2).take(3).any(|pair| match pair {
            [auxiliary, subject] => verbs::is_auxiliary(&auxiliary.low) && is_pronoun(&subject.low),
            _ => false,
        });
        let told = !may_ask(first) && super::report::has_verb(before) && !first.is(CONDITIONS);
        if inverted && (told || may_ask(first))
            || first.is(&["should", "had", "were"]) && super::report::has_verb(after)
        {
            return None;
        }
    }
    // "How do you spell it?" asks how anybody does.
    if let [how, do_, you, verb, ..] = all
        && how.low == "how"
        && do_.low == "do"
        && you.low == "you"
        && verbs::is_base(&verb.low)
        && (!caution::is_state(&verb.low) || verb.low == "get")
        && !verb.is(&["plan", "do"])
    {
        return None;
    }
    plain(all, parties).or_else(|| {
        // "If it rains, where do we go?"
        let comma = all.iter().position(|word| word.after.starts_with(','))?;
        let (before, question) = all.split_at_checked(comma + 1)?;
        may_ask(question.first()?).then_some(())?;
        let report = plain(question, parties)?;
        let condition = before.first()?.is(CONDITIONS);
        if condition {
            let mut before = before.to_vec();
            lower_first(&mut before);
            return Some(Report {
                predicate: format!("{} {}", report.predicate, tell(&before, parties)?),
                ..report
            });
        }
        (!super::report::has_verb(before)).then_some(report)
    })
}

/// Whether a question may begin with a word.
pub(super) fn may_ask(first: &Word) -> bool {
    is_interrogative(&first.low) || verbs::is_auxiliary(&first.low)
}

fn plain(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    if caution::asks_twice(all) {
        return None;
    }
    request(all, parties)
        .or_else(|| suggest(all, parties))
        .or_else(|| embedded(all, parties))
        .or_else(|| about(all, parties))
        .or_else(|| {
            let mut words = all.to_vec();
            lower_first(&mut words);
            let (first, _) = words.split_first()?;
            let clause = if words.len() > 2
                && first.low == "what"
                && words.get(1).is_some_and(|second| second.low == "if")
            {
                words.splice(1..1, [Word::new("happens")]);
                words
            } else if is_interrogative(&first.low) {
                open_question(&words)?
            } else if verbs::is_auxiliary(&first.low) {
                let (auxiliary, rest) = words.split_first()?;
                let mut clause = vec![Word::new("whether")];
                clause.extend(in_order(auxiliary, rest, false)?);
                clause
            } else if (is_pronoun(&first.low)
                || first.is(&[
                    "the", "a", "my", "your", "our", "their", "his", "her", "it's", "that's", "there's",
                    "he's", "she's",
                ])
                || first.is_name())
                && words.len() > 2
                && super::report::has_verb(&words)
            {
                // "You are leaving?"
                std::iter::once(Word::new("whether")).chain(words).collect()
            } else {
                return None;
            };
            Some(Report { predicate: format!("asks {}", asked(&clause, parties)?), act: Act::Question })
        })
}

fn asked(clause: &[Word], parties: Parties<'_>) -> Option<String> {
    tell(clause, parties)
}

/// "Could you send it to me?"
fn request(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let addressee = parties.addressee?;
    let low: Vec<&str> = all.iter().map(|word| word.low.as_str()).collect();
    if let ["can" | "may" | "could", "i", "help", "you", ..]
    | ["how", "can" | "may", "i", "help", ..]
    | ["what", "can", "i", "do", "for", "you", ..] = low.as_slice()
    {
        return Some(Report { predicate: format!("offers to help {addressee}"), act: Act::Formula });
    }
    let [auxiliary, you, rest @ ..] = all else { return None };
    if !auxiliary.is(&["can", "could", "will", "would"]) || you.low != "you" {
        return None;
    }
    let mut rest = rest;
    // "Will you move to Spain?" and "Can you lift it?" ask for nothing.
    let wanted = all.iter().any(|word| {
        word.is(&["please", "possibly", "kindly", "me", "us", "my", "our", "mine"]) && word.text != "US"
    });
    while let [word, others @ ..] = rest
        && (word.is(&["please", "possibly", "kindly", "just", "maybe"]))
    {
        rest = others;
    }
    let [verb, after @ ..] = rest else { return None };
    if let ([me, wh, ..], "tell" | "show") = (after, verb.low.as_str())
        && me.low == "me"
        && is_interrogative(&wh.low)
    {
        let clause = tell(after.get(1..)?, parties)?;
        return Some(Report { predicate: format!("asks {addressee} {clause}"), act: Act::Question });
    }
    if let [mind, doing, ..] = rest
        && mind.low == "mind"
        && doing.low.ends_with("ing")
    {
        let clause = tell(rest, parties)?;
        return Some(Report {
            predicate: format!("asks whether {addressee} would {clause}"),
            act: Act::Question,
        });
    }
    let does = verbs::is_base(&verb.low)
        || after.len() > 1 && !model::text::is_stop_word(&verb.low) && !is_adverb(&verb.low);
    if !does || verb.is(ABLE) || !wanted {
        return None;
    }
    Some(Report { predicate: format!("asks {addressee} to {}", tell(rest, parties)?), act: Act::Request })
}

/// "Shall we go?", "Why don't you call?", "How about going?"
fn suggest(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let low: Vec<&str> = all.iter().take(4).map(|word| word.low.as_str()).collect();
    let predicate = match low.as_slice() {
        ["shall", "we", _, ..] => format!("suggests {}", tell(&doing(all.get(2..)?)?, parties)?),
        ["why", "don't", "we", verb] if !caution::is_state_of_us(verb, all.get(4)) => {
            format!("suggests {}", tell(&doing(all.get(3..)?)?, parties)?)
        }
        ["why", "don't", "you", verb] if verbs::is_base(verb) && !caution::is_state(verb) => {
            let addressee = parties.addressee?;
            let mut rest = all.get(3..)?.to_vec();
            if let Some(verb) = rest.first_mut() {
                verb.text = of_third_person(&verb.low);
            }
            format!("suggests {addressee} {}", tell(&rest, parties)?)
        }
        ["how" | "what", "about", next, ..] if next.ends_with("ing") => {
            format!("suggests {}", tell(all.get(2..)?, parties)?)
        }
        _ => return None,
    };
    Some(Report { predicate, act: Act::Request })
}

/// "How about tomorrow?", "What about your dog?"
fn about(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let [first, second, rest @ ..] = all else { return None };
    if second.low != "about" || rest.is_empty() || !first.is(&["how", "what"]) {
        return None;
    }
    let (predicate, act) = match first.low.as_str() {
        "how" if !rest.first()?.is(&["you", "your", "him", "her", "his", "them", "their", "it", "me"]) => {
            ("suggests", Act::Request)
        }
        _ => ("asks about", Act::Question),
    };
    Some(Report { predicate: format!("{predicate} {}", tell(rest, parties)?), act })
}

/// "Do you know where it is?", where the words are in order already.
fn embedded(all: &[Word], parties: Parties<'_>) -> Option<Report> {
    let addressee = parties.addressee?;
    let [do_, you, know, wh, rest @ ..] = all else { return None };
    if do_.low != "do" || you.low != "you" || know.low != "know" || rest.is_empty() {
        return None;
    }
    let clause = match wh.low.as_str() {
        "if" => all
            .get(4..)
            .map(|rest| std::iter::once(Word::new("whether")).chain(rest.iter().cloned()).collect())?,
        low if is_interrogative(low) => all.get(3..)?.to_vec(),
        _ => return None,
    };
    Some(Report { predicate: format!("asks {addressee} {}", tell(&clause, parties)?), act: Act::Question })
}

fn is_interrogative(word: &str) -> bool {
    matches!(word, "what" | "where" | "when" | "why" | "who" | "whom" | "whose" | "which" | "how")
}

/// Whether a sentence without a question mark has the order of a question: "Can you come".
pub(super) fn is_inverted(all: &[Word]) -> bool {
    matches!(all, [auxiliary, subject, _, ..] if auxiliary.is(&["do", "does", "did", "can", "could", "would", "will", "are", "is", "have", "shall"])
        && (subject.is(&["you", "i", "we", "he", "she", "they", "it", "the", "your", "my", "there"]))
        && !(auxiliary.is(&["do", "have"]) && subject.is(&["it", "the", "your", "my"])))
}

/// "what time do you leave" → "what time you leave"
fn open_question(all: &[Word]) -> Option<Vec<Word>> {
    let auxiliary = all.iter().take(6).position(|word| verbs::is_auxiliary(&word.low));
    let Some(at) = auxiliary else {
        // "Who broke it": who asks for its subject has it in place. Without any verb there is nothing to report.
        return (all.len() > 1
            && all.iter().any(|word| {
                verbs::is_past(&word.low) || word.low.strip_suffix('s').is_some_and(verbs::is_base)
            }))
        .then(|| all.to_vec());
    };
    let (before, from) = all.split_at_checked(at)?;
    let (auxiliary, rest) = from.split_first()?;
    if rest.is_empty() {
        return None;
    }
    // "who can help", "what is wrong with it": the subject is asked for.
    let asks_for_subject = rest.first().is_some_and(|next| {
        verbs::is_base(&next.low) && !auxiliary.is(&["do", "does", "did"]) && before.len() == 1
            || next.is(&["wrong", "going", "happening", "happened", "up", "so", "been"])
            || next.low.ends_with("ing") && auxiliary.is(&["is", "was", "are", "were"])
            || next.low == "the"
                && rest.get(1).is_some_and(|word| word.is(&["matter", "problem"]))
                && rest.len() > 2
    });
    let mut clause = before.to_vec();
    if asks_for_subject {
        clause.push(auxiliary.clone());
        clause.extend(rest.iter().cloned());
    } else {
        let short = before.last().is_some_and(|word| {
            is_interrogative(&word.low)
                || word.is(&["much", "many", "long", "far", "old", "big", "often"])
                || before.len() > 1
        });
        clause.extend(in_order(auxiliary, rest, short)?);
    }
    Some(clause)
}

/// "do | you want it" → "you want it"; "is | the bank far" stays unknown unless the subject is all there is.
fn in_order(auxiliary: &Word, rest: &[Word], all_subject: bool) -> Option<Vec<Word>> {
    let end = subject_end(auxiliary, rest, all_subject)?;
    let (subject, rest) = rest.split_at_checked(end)?;
    let mut clause = subject.to_vec();
    let plural = subject.first().is_some_and(|word| word.is(&["i", "you", "we", "they", "these", "those"]));
    let adverbs = rest.iter().take_while(|word| is_adverb(&word.low)).count();
    match auxiliary.low.as_str() {
        "do" | "does" | "did" => {
            let (between, rest) = rest.split_at_checked(adverbs)?;
            if between.iter().any(|word| word.low == "not") {
                return None;
            }
            let (verb, rest) = rest.split_first()?;
            let form = match auxiliary.low.as_str() {
                "did" => past_of(&verb.low),
                "does" if !plural => of_third_person(&verb.low),
                _ => verb.low.clone(),
            };
            clause.extend(between.iter().cloned());
            clause.push(Word { after: verb.after.clone(), ..Word::new(&form) });
            clause.extend(rest.iter().cloned());
        }
        _ => {
            // The mark after the subject was the question's.
            let mut moved = auxiliary.clone();
            if let Some(last) = clause.last_mut().filter(|_| rest.is_empty()) {
                moved.after = std::mem::take(&mut last.after);
            }
            moved.text.clone_from(&moved.low);
            clause.push(moved);
            clause.extend(rest.iter().cloned());
        }
    }
    Some(clause)
}

/// Where the subject after an auxiliary ends.
fn subject_end(auxiliary: &Word, rest: &[Word], all_subject: bool) -> Option<usize> {
    let first = rest.first()?;
    if rest.get(1).is_some_and(|next| next.is(&["or", "and"])) {
        return None;
    }
    if is_pronoun(&first.low)
        && !(first.is(&["this", "that", "these", "those"]) && followed_by_noun(auxiliary, rest))
    {
        return Some(1);
    }
    let is_be = auxiliary.is(&["is", "are", "was", "were", "isn't", "aren't", "wasn't", "weren't", "am"]);
    let verb = rest.iter().skip(1).position(|word| {
        if is_be {
            word.low.ends_with("ing") || verbs::is_participle(&word.low)
        } else if auxiliary.is(&["have", "has", "had", "haven't", "hasn't", "hadn't"]) {
            verbs::is_participle(&word.low)
        } else {
            verbs::is_base(&word.low)
        }
    });
    match verb {
        Some(before) => Some(before + 1).filter(|end| *end <= 5),
        None => (is_be && all_subject && rest.len() <= 7).then_some(rest.len()),
    }
}

fn followed_by_noun(auxiliary: &Word, rest: &[Word]) -> bool {
    let next = rest.get(1);
    next.is_some_and(|next| !verbs::is_base(&next.low) && !is_adverb(&next.low))
        && auxiliary.is(&["do", "does", "did", "can", "will", "could", "would"])
}
