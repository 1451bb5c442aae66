use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::session::check_names;
use super::{Owner, Session, Turn};

#[derive(Debug, Deserialize)]
struct Conversation {
    title: Option<String>,
    create_time: Option<f64>,
    current_node: Option<String>,
    mapping: HashMap<String, Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    parent: Option<String>,
    message: Option<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    author: Author,
    create_time: Option<f64>,
    content: Value,
    #[serde(default)]
    metadata: Value,
}

#[derive(Debug, Deserialize)]
struct Author {
    role: String,
    name: Option<String>,
}

/// The conversation as it was last seen: the path from `current_node` up to the root. Branches that were edited away
/// are left out.
pub(super) fn session(entry: Value, owner: &Owner) -> Result<Vec<Session>> {
    // Exports carry one of the names, or both.
    let id = ["conversation_id", "id"].iter().find_map(|field| entry.get(field)?.as_str().map(str::to_owned));
    let conversation: Conversation = serde_json::from_value(entry)?;
    let user = owner.user.clone().unwrap_or_else(|| "me".to_owned());
    let name = id
        .or_else(|| Some(format!("{} {}", conversation.title.as_deref()?, conversation.create_time?)))
        .context("field `conversation_id` is missing")?;
    check_names(&owner.tenant(), &user, &name)?;
    let mut turns = Vec::new();
    for (id, message) in path(&conversation)? {
        let turn = turn(message).with_context(|| format!("message {id}"))?;
        turns.extend(turn);
    }
    if turns.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Session { tenant: owner.tenant(), user, name, turns }])
}

/// The messages from the root to the current node.
fn path(conversation: &Conversation) -> Result<Vec<(&str, &Message)>> {
    let mapping = &conversation.mapping;
    let newest = || {
        let time = |node: &Node| node.message.as_ref().and_then(|message| message.create_time).unwrap_or(0.0);
        let newest = mapping.iter().max_by(|(_, one), (_, other)| time(one).total_cmp(&time(other)));
        newest.map(|(id, _)| id.as_str())
    };
    let mut next = conversation.current_node.as_deref().or_else(newest);
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    while let Some(id) = next {
        if !seen.insert(id) {
            bail!("field `mapping`: the parents of {id:?} form a circle");
        }
        let (id, node) =
            mapping.get_key_value(id).with_context(|| format!("field `mapping` lacks the node {id:?}"))?;
        if let Some(message) = &node.message {
            found.push((id.as_str(), message));
        }
        next = node.parent.as_deref();
    }
    found.reverse();
    Ok(found)
}

/// What was said, or nothing where there is nothing to remember: hidden set-up, empty placeholders, tool plumbing.
fn turn(message: &Message) -> Result<Option<Turn>> {
    let hidden = message.metadata.get("is_visually_hidden_from_conversation").and_then(Value::as_bool);
    if hidden == Some(true)
        || !matches!(message.author.role.as_str(), "user" | "assistant" | "system" | "tool")
    {
        return Ok(None);
    }
    let content = words(&message.content);
    if content.trim().is_empty() {
        return Ok(None);
    }
    let turn = Turn {
        role: message.author.role.clone(),
        content,
        speaker: message.author.name.clone().filter(|name| !name.is_empty()),
        occurred_at: message.create_time.map(timestamp).transpose()?,
        idempotency_key: None,
    };
    turn.check()?;
    Ok(Some(turn))
}

fn words(content: &Value) -> String {
    let kind = content.get("content_type").and_then(Value::as_str).unwrap_or("text");
    match kind {
        "text" | "multimodal_text" => {
            let parts = content.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let parts: Vec<&str> = parts
                .iter()
                .filter_map(|part| match part {
                    Value::String(text) => Some(text.as_str()),
                    part => match part.get("content_type").and_then(Value::as_str) {
                        Some("image_asset_pointer") => Some("[an image]"),
                        Some("audio_transcription") => part.get("text").and_then(Value::as_str),
                        _ => None,
                    },
                })
                .collect();
            parts.join("\n")
        }
        "code" | "execution_output" => {
            content.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

fn timestamp(seconds: f64) -> Result<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the range is checked next")]
    let milliseconds = (seconds * 1_000.0) as i64;
    Timestamp::from_millisecond(milliseconds).with_context(|| format!("field `create_time` is {seconds}"))
}
