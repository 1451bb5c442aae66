//! An event that an application gives, and what the database asks of it.

use domain::EventKind;
use domain::state::{EVENT_SCHEMA, check_document};
use jiff::Timestamp;
use serde_json::Value;

/// An event to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What it records.
    pub kind: EventKind,
    /// `user`, `assistant`, `system` or `tool`; a message has one.
    pub role: Option<String>,
    /// The name of who spoke.
    pub speaker: Option<String>,
    /// The text; a message has one. Without NUL, at most [`NewEvent::MOST_BYTES`].
    pub content: Option<String>,
    /// An object without NUL in its texts, at most [`NewEvent::MOST_BYTES`] as JSON.
    pub payload: Value,
    /// Names the event within its session: the same key again is the same event. 1 to [`NewEvent::LONGEST_KEY`] bytes.
    pub idempotency_key: Option<String>,
    /// When it happened; when it is appended, if not given.
    pub occurred_at: Option<Timestamp>,
    /// The schema the payload was written in, 1 to [`EVENT_SCHEMA`].
    pub schema_version: i16,
}

/// What is wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {expected}")]
pub struct InvalidEvent {
    /// The field of [`NewEvent`].
    pub field: &'static str,
    /// What was expected of it.
    pub expected: String,
}

impl NewEvent {
    /// How long a content may be, and a payload written as JSON, in bytes.
    pub const MOST_BYTES: usize = 256 * 1024;
    /// How long an idempotency key may be, in bytes.
    pub const LONGEST_KEY: usize = 255;
    /// How long the name of a speaker may be, in bytes.
    pub const LONGEST_SPEAKER: usize = 200;

    /// An event of this kind with nothing in it.
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            role: None,
            speaker: None,
            content: None,
            payload: Value::Object(serde_json::Map::new()),
            idempotency_key: None,
            occurred_at: None,
            schema_version: EVENT_SCHEMA,
        }
    }

    /// Whether the database will take it: what is wrong is said by the name of the field.
    pub fn check(&self) -> Result<(), InvalidEvent> {
        let is_message = self.kind == EventKind::Message;
        let known_role =
            self.role.as_deref().map(|role| ["user", "assistant", "system", "tool"].contains(&role));
        if known_role == Some(false) || (is_message && known_role.is_none()) {
            return Err(wrong("role", "must be user, assistant, system or tool"));
        }
        if is_message && self.content.is_none() {
            return Err(wrong("content", "must be the text of the message"));
        }
        check_text("content", self.content.as_deref(), 0, Self::MOST_BYTES)?;
        check_text("speaker", self.speaker.as_deref(), 1, Self::LONGEST_SPEAKER)?;
        check_text("idempotency_key", self.idempotency_key.as_deref(), 1, Self::LONGEST_KEY)?;
        if !self.payload.is_object() {
            return Err(wrong("payload", "must be an object"));
        }
        check_document(&self.payload).map_err(|expected| wrong("payload", expected))?;
        let bytes = self.payload.to_string().len();
        if bytes > Self::MOST_BYTES {
            return Err(wrong("payload", format!("must be at most {} bytes, got {bytes}", Self::MOST_BYTES)));
        }
        if !(1..=EVENT_SCHEMA).contains(&self.schema_version) {
            return Err(wrong("schema_version", format!("must be 1 to {EVENT_SCHEMA}")));
        }
        Ok(())
    }

    /// Whether two events under one key are the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.role == other.role
            && self.speaker == other.speaker
            && self.content == other.content
            && self.payload == other.payload
    }
}

fn wrong(field: &'static str, expected: impl Into<String>) -> InvalidEvent {
    InvalidEvent { field, expected: expected.into() }
}

fn check_text(
    field: &'static str,
    text: Option<&str>,
    least: usize,
    most: usize,
) -> Result<(), InvalidEvent> {
    let Some(text) = text else { return Ok(()) };
    if text.len() < least || text.len() > most {
        return Err(wrong(field, format!("must be {least} to {most} bytes, got {}", text.len())));
    }
    if text.contains('\0') {
        return Err(wrong(field, "must hold no NUL character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(content: &str) -> NewEvent {
        NewEvent {
            role: Some("user".into()),
            content: Some(content.into()),
            ..NewEvent::new(EventKind::Message)
        }
    }

    fn field(event: &NewEvent) -> Option<&'static str> {
        event.check().err().map(|error| error.field)
    }

    #[test]
    fn what_is_wrong_with_an_event_is_said_by_its_field() {
        assert_eq!(field(&message("")), None);
        assert_eq!(field(&NewEvent::new(EventKind::NodeTransition)), None);
        let with = |change: fn(&mut NewEvent)| {
            let mut event = message("x");
            change(&mut event);
            field(&event)
        };
        assert_eq!(with(|event| event.role = None), Some("role"));
        assert_eq!(with(|event| event.role = Some("robot".into())), Some("role"));
        assert_eq!(with(|event| event.content = None), Some("content"));
        assert_eq!(with(|event| event.content = Some("a\0".into())), Some("content"));
        assert_eq!(with(|event| event.content = Some("x".repeat(262_144))), None);
        assert_eq!(with(|event| event.content = Some("x".repeat(262_145))), Some("content"));
        assert_eq!(with(|event| event.speaker = Some(String::new())), Some("speaker"));
        assert_eq!(with(|event| event.idempotency_key = Some("k".repeat(256))), Some("idempotency_key"));
        assert_eq!(with(|event| event.payload = json!([])), Some("payload"));
        assert_eq!(with(|event| event.payload = json!({"a": [{"b\0": 1}]})), Some("payload"));
        assert_eq!(with(|event| event.payload = json!({"a": "x".repeat(262_144)})), Some("payload"));
        assert_eq!(with(|event| event.schema_version = 0), Some("schema_version"));
    }
}
