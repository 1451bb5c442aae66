//! The same thinking by a language model: one question per window, its answer mapped to the same thoughts.

use domain::{Event, Thought, Window};
use futures::future::try_join_all;
use jiff::civil::Date;
use model::dates::{Granularity, Period};
use model::{Error, OpenAi, Question, Schema, Usage, text};
use runtime::{Context, ThinkError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::names::Kind;
use crate::think::{Entity, name_key, object};

/// The version of the instructions and the schema. Any change to them needs a new one.
pub(crate) const RULES: &str = "entities-1";
const INSTRUCTIONS: &str = include_str!("prompt.md");
const SCHEMA: &str = include_str!("schema.json");

/// How much of one message is shown to the model.
const LONGEST_MESSAGE_BYTES: usize = 8 * 1024;
/// How much one question holds; a window of longer messages becomes several questions.
const LONGEST_QUESTION_BYTES: usize = 96 * 1024;
/// The rules are less sure than a model, and the surer account is kept.
const CONFIDENCE: f32 = 1.0;

pub(crate) fn schema() -> Result<Schema, Error> {
    Schema::parse("entities", SCHEMA)
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
    entities: Vec<NamedEntity>,
    dates: Vec<DatedFact>,
}

#[derive(Debug, Deserialize)]
struct NamedEntity {
    name: String,
    kind: Kind,
    aliases: Vec<String>,
    about: String,
    versions: Vec<i64>,
}

#[derive(Debug, Deserialize)]
struct DatedFact {
    version: i64,
    expression: String,
    start: String,
    end: String,
    granularity: Granularity,
    what: String,
}

/// Asks about a window. Questions of one window go out at once, so it takes no longer than the slowest.
pub(crate) async fn ask(
    context: &Context,
    model: &OpenAi,
    schema: &Schema,
    window: &Window,
) -> Result<(Vec<Thought>, Usage), ThinkError> {
    let answers = try_join_all(questions(window).into_iter().map(|input| async move {
        let question = Question { rules: RULES, instructions: INSTRUCTIONS, input: &input, schema };
        context.ask(model, RULES, question, Ok::<Answer, _>).await
    }))
    .await?;
    let (mut thoughts, mut usage) = (Vec::new(), Usage::default());
    for answer in answers {
        thoughts.extend(answer.value.entities.into_iter().flat_map(named));
        thoughts.extend(answer.value.dates.into_iter().filter_map(|fact| dated(&fact)));
        usage.model = answer.usage.model;
        usage.input_tokens += answer.usage.input_tokens;
        usage.output_tokens += answer.usage.output_tokens;
    }
    Ok((thoughts, usage))
}

/// The messages of a window as JSON, in as few texts as their length allows.
fn questions(window: &Window) -> Vec<String> {
    let mut questions: Vec<Vec<Message<'_>>> = Vec::new();
    let mut length = 0;
    for event in window.events.iter().filter(|event| event.is_said()) {
        let message = message(event);
        if length + message.text.len() > LONGEST_QUESTION_BYTES || questions.is_empty() {
            questions.push(Vec::new());
            length = 0;
        }
        length += message.text.len();
        if let Some(question) = questions.last_mut() {
            question.push(message);
        }
    }
    questions.iter().map(|messages| json!({ "messages": messages }).to_string()).collect()
}

fn message(event: &Event) -> Message<'_> {
    Message {
        version: event.version,
        at: event.occurred_at.strftime("%A, %Y-%m-%dT%H:%MZ").to_string(),
        speaker: event.speaker_or_role(),
        text: event
            .content
            .get(..event.content.floor_char_boundary(LONGEST_MESSAGE_BYTES))
            .unwrap_or_default(),
    }
}

/// One thought per message that the model says names the entity; without any, one that is dropped with its reason.
fn named(entity: NamedEntity) -> Vec<Thought> {
    let NamedEntity { name, kind, mut aliases, about, mut versions } = entity;
    let (name, about) = (name.trim().to_owned(), about.trim());
    let Some(key) = name_key(&name) else { return Vec::new() };
    aliases.push(name.clone());
    aliases.sort();
    aliases.dedup();
    versions.sort_unstable();
    versions.dedup();
    let what = if kind == Kind::Thing { String::new() } else { format!(" ({})", kind.as_str()) };
    let thought = Entity {
        key,
        content: format!("{name}{what}. {about}"),
        data: object(json!({ "name": name, "kind": kind, "aliases": aliases })),
        confidence: CONFIDENCE,
    }
    .into_thought(0);
    if versions.is_empty() {
        return vec![Thought { evidence: Vec::new(), ..thought }];
    }
    versions.into_iter().map(|version| Thought { evidence: vec![version], ..thought.clone() }).collect()
}

/// A dated fact; none when its days are not days.
fn dated(fact: &DatedFact) -> Option<Thought> {
    let (start, end): (Date, Date) = (fact.start.parse().ok()?, fact.end.parse().ok()?);
    if start > end || fact.what.trim().is_empty() {
        return None;
    }
    let period = Period { start, end, granularity: fact.granularity };
    let stems: Vec<String> =
        text::content_stems(&fact.what).map(|stem| stem.chars().take(24).collect()).take(6).collect();
    let name = period.in_words();
    let entity = Entity {
        key: format!("date:{}:{}", period.iso(), stems.join("-")),
        content: format!("{name} (date). {}", fact.what.trim()),
        data: object(json!({
            "name": name,
            "kind": Kind::Date,
            "start": start.to_string(),
            "end": end.to_string(),
            "granularity": fact.granularity,
            "expressions": [fact.expression],
        })),
        confidence: CONFIDENCE,
    };
    Some(entity.into_thought(fact.version))
}
