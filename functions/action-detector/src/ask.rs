//! The same thinking by a language model: the open actions and the new messages in, what became of them out.

use domain::{Event, Memory, OnConflict, Thought, Window};
use model::{Error, OpenAi, Question, Schema, Usage};
use runtime::{Context, ThinkError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::action::{Action, Doer, EVERYONE, Kind, Status, cut};
use crate::agenda::speaker;

/// The version of the instructions and the schema. Any change to them needs a new one.
pub(crate) const RULES: &str = "actions-1";
const INSTRUCTIONS: &str = include_str!("prompt.md");
const SCHEMA: &str = include_str!("schema.json");

/// How much of all messages together is shown to the model, each getting its share.
const LONGEST_QUESTION_BYTES: usize = 96 * 1024;
/// How many open actions are shown, the latest.
const MOST_SHOWN: usize = 64;
/// How much of what is to be done is kept, in bytes.
const LONGEST_WHAT: usize = 240;
const CONFIDENCE: f32 = 0.9;

pub(crate) fn schema() -> Result<Schema, Error> {
    Schema::parse("actions", SCHEMA)
}

#[derive(Serialize)]
struct Message<'a> {
    version: i64,
    at: String,
    speaker: String,
    text: &'a str,
}

#[derive(Serialize)]
struct Known {
    number: usize,
    action: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    actions: Vec<Stated>,
    closed: Vec<Closed>,
}

#[derive(Debug, Deserialize)]
struct Stated {
    version: i64,
    kind: Kind,
    doer: Doer,
    owner: Option<String>,
    what: String,
    due: Option<String>,
    status: Status,
    closed_in: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Closed {
    number: usize,
    status: Status,
    version: i64,
}

/// Asks once about a window; nothing when nothing was said in it.
pub(crate) async fn ask(
    context: &Context,
    model: &OpenAi,
    schema: &Schema,
    window: &Window,
    known: &[Memory],
) -> Result<(Vec<Thought>, Usage), ThinkError> {
    if !window.events.iter().any(Event::is_said) {
        return Ok((Vec::new(), Usage::default()));
    }
    let mut open: Vec<(&Memory, Action)> = known
        .iter()
        .filter_map(|memory| Some((memory, Action::of_memory(memory)?)))
        .filter(|(_, action)| action.is_open())
        .collect();
    open.sort_by(|(one, first), (other, second)| {
        (second.said_in, &other.key).cmp(&(first.said_in, &one.key))
    });
    open.truncate(MOST_SHOWN);
    let input = input(window, &open);
    let question = Question { rules: RULES, instructions: INSTRUCTIONS, input: &input, schema };
    let answer = context.ask(model, RULES, question, Ok::<Answer, _>).await?;
    let Answer { actions, closed } = answer.value;
    let closings = closed.into_iter().filter_map(|closed| close(&open, &closed));
    let thoughts = closings.chain(actions.into_iter().filter_map(|stated| state(window, stated))).collect();
    Ok((thoughts, answer.usage))
}

fn input(window: &Window, open: &[(&Memory, Action)]) -> String {
    let said: Vec<_> = window.events.iter().filter(|event| event.is_said()).collect();
    let share = LONGEST_QUESTION_BYTES / said.len().max(1);
    let messages: Vec<Message<'_>> = said
        .into_iter()
        .map(|event| Message {
            version: event.version,
            at: event.occurred_at.strftime("%A, %Y-%m-%dT%H:%MZ").to_string(),
            speaker: speaker(event),
            text: cut(&event.content, share),
        })
        .collect();
    let known: Vec<Known> = open
        .iter()
        .zip(1..)
        .map(|((_, action), number)| Known { number, action: action.in_words() })
        .collect();
    json!({ "known": known, "messages": messages }).to_string()
}

/// What a model says was closed; none when there is no such action or it cannot end that way.
fn close(open: &[(&Memory, Action)], closed: &Closed) -> Option<Thought> {
    // A window that was set aside may be older than what is open.
    let (memory, action) =
        open.get(closed.number.checked_sub(1)?).filter(|(_, action)| action.said_in <= closed.version)?;
    let mut action = action.clone();
    action.status = ending(action.kind, closed.status);
    action.closed_in = Some(closed.version);
    let thought =
        action.into_thought(memory.key.clone(), CONFIDENCE, vec![closed.version], OnConflict::Continue);
    Some(thought)
}

/// A question is answered, anything else done.
fn ending(kind: Kind, status: Status) -> Status {
    match (kind, status) {
        (Kind::Question, Status::Done) => Status::Answered,
        (Kind::Commitment | Kind::Todo, Status::Answered) => Status::Done,
        (_, status) => status,
    }
}

/// What a model says is to be done. One that no message of the window says keeps its evidence and is dropped with a
/// reason.
fn state(window: &Window, stated: Stated) -> Option<Thought> {
    let Stated { version, kind, doer, owner, what, due, status, closed_in } = stated;
    let what = cut(what.trim(), LONGEST_WHAT).to_owned();
    let said_by = window.event(version).map_or_else(|| "someone".to_owned(), speaker);
    let owner = match doer {
        Doer::Speaker => Some(said_by.clone()),
        Doer::Everyone => Some(EVERYONE.to_owned()),
        Doer::Nobody => None,
        Doer::Other | Doer::Named => {
            owner.map(|name| cut(name.trim(), 80).to_owned()).filter(|name| !name.is_empty())
        }
    };
    let closed_in = closed_in.filter(|_| status != Status::Open);
    let status = if closed_in.is_some() { ending(kind, status) } else { Status::Open };
    let said_to = owner.clone().filter(|_| doer == Doer::Other);
    let due = due.and_then(|due| due.trim().parse().ok());
    let action =
        Action { kind, owner, due, status, said_in: version, closed_in, said_by, said_to, doer, what };
    if action.stems().is_empty() {
        return None;
    }
    let key = action.key();
    let evidence = [Some(version), closed_in].into_iter().flatten().collect();
    let on_conflict = if action.is_open() { OnConflict::Merge } else { OnConflict::Continue };
    Some(action.into_thought(key, CONFIDENCE, evidence, on_conflict))
}
