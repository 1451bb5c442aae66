//! The same judging by a language model: it scores the turns, and the rules do the counting and put it into words. So no
//! text of its own is ever stored.

use std::collections::BTreeMap;

use domain::Window;
use model::{Error, OpenAi, Question, Schema, Usage};
use runtime::{Context, ThinkError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::score::{Score, thousandths};

/// The version of the instructions and the schema. Any change to them needs a new one.
pub(crate) const RULES: &str = "sentiment-1";
const INSTRUCTIONS: &str = include_str!("prompt.md");
const SCHEMA: &str = include_str!("schema.json");

/// How much of all messages together is shown to the model, each getting its share.
const LONGEST_QUESTION_BYTES: usize = 96 * 1024;

pub(crate) fn schema() -> Result<Schema, Error> {
    Schema::parse("sentiment", SCHEMA)
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
    scores: Vec<Scored>,
}

#[derive(Debug, Deserialize)]
struct Scored {
    version: i64,
    score: f64,
}

/// The scores of a window's turns by their versions; nothing is asked when nothing was said in it.
///
/// A turn that the model passes over is missing; an answer that passes over all of them is invalid.
pub(crate) async fn ask(
    context: &Context,
    model: &OpenAi,
    schema: &Schema,
    window: &Window,
) -> Result<(BTreeMap<i64, Score>, Usage), ThinkError> {
    let messages = messages(window);
    if messages.is_empty() {
        return Ok((BTreeMap::new(), Usage::default()));
    }

    let input = json!({ "messages": messages }).to_string();
    let question = Question { rules: RULES, instructions: INSTRUCTIONS, input: &input, schema };
    let answer = context.ask(model, RULES, question, |answer| check(answer, &messages)).await?;
    Ok((answer.value, answer.usage))
}

fn messages(window: &Window) -> Vec<Message<'_>> {
    let said: Vec<_> = window.events.iter().filter(|event| event.is_said()).collect();
    let share = LONGEST_QUESTION_BYTES / said.len().max(1);
    said.into_iter()
        .map(|event| Message {
            version: event.version,
            at: event.occurred_at.strftime("%A, %Y-%m-%dT%H:%MZ").to_string(),
            speaker: event.speaker_or_role(),
            text: event.content.get(..event.content.floor_char_boundary(share)).unwrap_or_default(),
        })
        .collect()
}

/// The scores of messages that were asked about, each between -1 and 1; none at all is no answer.
fn check(answer: Answer, messages: &[Message<'_>]) -> Result<BTreeMap<i64, Score>, Error> {
    let mut scores = BTreeMap::new();
    for Scored { version, score } in answer.scores {
        if !(-1.0..=1.0).contains(&score) {
            return Err(Error::Invalid(format!("the score of version {version} is not between -1 and 1")));
        }
        scores.insert(version, thousandths(score));
    }
    scores.retain(|version, _| messages.iter().any(|message| message.version == *version));
    if scores.is_empty() {
        return Err(Error::Invalid("no message is scored".to_owned()));
    }
    Ok(scores)
}
