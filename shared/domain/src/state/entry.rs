use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::EventKind;

/// The schema of events that is written. Those of all before it are read.
///
/// | schema | `tool_call` | `node_transition` |
/// |---|---|---|
/// | 1 | `tool`, `output` | `node` |
/// | 2 | `name`, `result` | `to` |
pub const EVENT_SCHEMA: i16 = 2;

/// An event as the log holds it, whoever wrote it and when: its type may be one that this version does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Position within the session.
    pub version: i64,
    /// The stored type.
    pub event_type: String,
    /// The schema its payload was written in.
    pub schema_version: i16,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: Option<String>,
    /// The name of who spoke.
    pub speaker: Option<String>,
    /// The text.
    pub content: Option<String>,
    /// Structured data.
    pub payload: Value,
    /// When it happened.
    pub occurred_at: Timestamp,
}

impl Entry {
    /// What kind of event it is and its payload in the schema of today; `None` for one from a later version of this code.
    pub(super) fn read(&mut self) -> Option<(EventKind, Map<String, Value>)> {
        let kind = EventKind::from_name(&self.event_type)?;
        if self.schema_version > EVENT_SCHEMA {
            return None;
        }
        let mut payload = match self.payload.take() {
            Value::Object(payload) => payload,
            _ => Map::new(),
        };
        if self.schema_version < 2 {
            to_second(kind, &mut payload);
        }
        Some((kind, payload))
    }
}

/// From schema 1 to 2. A field under its new name stays: nothing said in schema 1 what a payload had to hold.
fn to_second(kind: EventKind, payload: &mut Map<String, Value>) {
    let renamed: &[(&str, &str)] = match kind {
        EventKind::ToolCall => &[("tool", "name"), ("output", "result")],
        EventKind::NodeTransition => &[("node", "to")],
        _ => &[],
    };
    for (old, new) in renamed {
        if !payload.contains_key(*new)
            && let Some(value) = payload.remove(*old)
        {
            payload.insert((*new).to_owned(), value);
        }
    }
}
