//! Commitments, to-dos and requests in a sentence.

mod address;
mod clause;
mod cue;
mod uncued;

use std::ops::Range;

use jiff::civil::Date;
use model::text;

use crate::action::{Doer, Kind};
use crate::cues::CUES;
use crate::sentence::Sentence;
use crate::verbs;

pub(crate) use self::clause::clause_end;
use self::cue::of_cue;
use self::uncued::{of_third_person, order};

/// How much of what is to be done is kept, in bytes.
const LONGEST_WHAT: usize = 200;

/// Something that a sentence says is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) kind: Kind,
    pub(crate) doer: Doer,
    /// The owner, when the sentence names one.
    pub(crate) owner: Option<String>,
    pub(crate) what: String,
    pub(crate) due: Option<Date>,
}

impl Statement {
    /// Whether it names something that can be done: "make my dreams come true" is a hope unless it says until when.
    fn says_what(&self) -> bool {
        const OF_HOPES: [&str; 6] = ["dream", "dreams", "memories", "passion", "destiny", "happiness"];
        let hopes = || text::words(&self.what).any(|word| OF_HOPES.contains(&word.to_lowercase().as_str()));
        !verbs::stems(&self.what).is_empty() && (self.due.is_some() || !hopes())
    }
}

/// What one sentence states, in order, apart from the words that say something else.
pub(crate) fn statements(sentence: &Sentence<'_>, said_otherwise: &[Range<usize>]) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let (mut at, mut read) = (0, 0);
    while at < sentence.words.len() {
        if let Some(other) = said_otherwise.iter().find(|range| range.contains(&at)) {
            at = other.end;
            read = at;
            continue;
        }
        match statement(sentence, read, at) {
            Some((statement, end)) => {
                found.extend(statement.says_what().then_some(statement));
                at = end.max(at + 1);
                read = at;
            }
            None => at += 1,
        }
    }
    found
}

/// The statement that begins at a word, and where it ends; the words since `read` belong to no other.
fn statement(sentence: &Sentence<'_>, read: usize, at: usize) -> Option<(Statement, usize)> {
    if sentence.is_quoted(at) {
        return None;
    }
    let cue = CUES.iter().filter(|(words, _)| sentence.has(at, words)).max_by_key(|(words, _)| words.len());
    if let Some((words, form)) = cue
        && let Some(stated) = of_cue(sentence, read, at, at + words.len(), *form)
    {
        return Some(stated);
    }
    order(sentence, read, at).or_else(|| of_third_person(sentence, read, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence::with_sentences;

    fn stated_in(text: &str) -> Vec<String> {
        let event = domain::Event {
            version: 1,
            kind: domain::EventKind::Message,
            role: "user".into(),
            speaker: None,
            content: text.into(),
            payload: serde_json::json!({}),
            // A Monday.
            occurred_at: "2026-03-09T09:00:00Z".parse().unwrap(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let line = |found: Statement| {
            let due = found.due.map_or_else(String::new, |due| format!(" by {due}"));
            format!("{:?} {:?}: {}{due}", found.kind, found.doer, found.what)
        };
        with_sentences(&event, |sentences| {
            sentences.iter().flat_map(|sentence| statements(sentence, &[])).map(line).collect()
        })
    }

    #[test]
    fn a_way_of_speaking_states_nothing() {
        for text in [
            "I'll keep you posted!",
            "I'll make sure to keep you updated.",
            "You must have had a long day.",
            "I don't think I'll ever understand it.",
            "I'll make sure to have a safe trip.",
            "I'll make my dreams come true.",
            "We need to create some memories.",
        ] {
            assert_eq!(stated_in(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(
            stated_in("I'll keep you updated on the repair."),
            ["Commitment Speaker: keep you updated on the repair"]
        );
    }

    #[test]
    fn a_sentence_may_state_more_than_one_thing() {
        assert_eq!(
            stated_in("I'll call the bank tomorrow, and can you book the van?"),
            ["Commitment Speaker: call the bank by 2026-03-10", "Todo Other: book the van"]
        );
    }

    #[test]
    fn a_date_before_or_after_is_its_due_date_and_no_part_of_it() {
        for text in [
            "By Friday I'll send the draft",
            "I'll send the draft by Friday",
            "I'll send by Friday the draft",
        ] {
            let found = stated_in(text);
            assert!(found[0].ends_with("by 2026-03-13") && !found[0].contains("Friday"), "{found:?}");
        }
    }

    #[test]
    fn encouragements_reports_and_guesses_state_nothing() {
        for text in [
            "I'll keep going!",
            "We'll make it",
            "Maybe I'll paint",
            "I had to go",
            "He said I was going to pay",
        ] {
            assert_eq!(stated_in(text), [""; 0], "{text}");
        }
    }
}
