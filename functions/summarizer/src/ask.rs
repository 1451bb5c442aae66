//! The same thinking by a language model: the summary so far and the new messages in, the new summary out.

use domain::{Memory, MemoryType, Thought, Window};
use model::{Error, OpenAi, Question, Schema, Usage};
use runtime::{Context, ThinkError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::think::{evidence, last_said, thought};

/// The version of the instructions and the schema. Any change to them needs a new one.
pub(crate) const RULES: &str = "summary-2";
const INSTRUCTIONS: &str = include_str!("prompt.md");
const SCHEMA: &str = include_str!("schema.json");

/// How much of all messages together is shown to the model, each getting its share.
const LONGEST_QUESTION_BYTES: usize = 96 * 1024;
/// The longest summary that is kept, in bytes.
const LONGEST_SUMMARY_BYTES: usize = 4 * 1024;
/// The longest title that is kept, in characters.
const LONGEST_TITLE: usize = 100;
const CONFIDENCE: f32 = 0.9;

pub(crate) fn schema() -> Result<Schema, Error> {
    Schema::parse("summary", SCHEMA)
}

#[derive(Serialize)]
struct Message<'a> {
    version: i64,
    at: String,
    speaker: &'a str,
    text: &'a str,
}

#[derive(Debug, Deserialize)]
struct Answer {
    title: String,
    summary: String,
    versions: Vec<i64>,
}

/// The session's summary up to the end of the window; none, and nothing asked, when nothing was said in it.
pub(crate) async fn ask(
    context: &Context,
    model: &OpenAi,
    schema: &Schema,
    window: &Window,
    current: Option<&Memory>,
) -> Result<(Option<Thought>, Usage), ThinkError> {
    let Some(last) = last_said(window) else { return Ok((None, Usage::default())) };
    let input = input(window, current, &context.known);
    let question = Question { rules: RULES, instructions: INSTRUCTIONS, input: &input, schema };
    let answer = context.ask(model, RULES, question, check).await?;
    let Answer { title, summary, versions } = answer.value;
    let summary = summary.trim();
    let content = summary.get(..summary.floor_char_boundary(LONGEST_SUMMARY_BYTES)).unwrap_or_default();
    let title: String = title.trim().chars().take(LONGEST_TITLE).collect();
    let evidence = evidence(window, versions, last);
    let thought = thought(content.to_owned(), json!({ "title": title }), CONFIDENCE, evidence);
    Ok((Some(thought), answer.usage))
}

/// A summary that says nothing is none.
fn check(answer: Answer) -> Result<Answer, Error> {
    if answer.summary.trim().is_empty() {
        return Err(Error::Invalid("the summary is empty".to_owned()));
    }
    Ok(answer)
}

fn input(window: &Window, current: Option<&Memory>, known: &[Memory]) -> String {
    let said: Vec<_> = window.events.iter().filter(|event| event.is_said()).collect();
    let share = LONGEST_QUESTION_BYTES / said.len().max(1);
    let messages: Vec<Message<'_>> = said
        .into_iter()
        .map(|event| Message {
            version: event.version,
            at: event.occurred_at.strftime("%A, %Y-%m-%dT%H:%MZ").to_string(),
            speaker: event.speaker_or_role(),
            text: event.content.get(..event.content.floor_char_boundary(share)).unwrap_or_default(),
        })
        .collect();
    let so_far = current.map_or("", |memory| memory.content.as_str());
    let names: Vec<&str> = known
        .iter()
        .filter(|memory| memory.kind == MemoryType::Entity)
        .map(|memory| memory.content.as_str())
        .collect();
    json!({ "summary_so_far": so_far, "known_names": names, "messages": messages }).to_string()
}
