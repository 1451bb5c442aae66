use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::state::fold::{Metadata, SaidEntry, SessionState, ToolResult};
use crate::state::tail::Tail;

/// The schema of a stored state that is written. Those of all before it are read.
///
/// | schema | holds |
/// |---|---|
/// | 1 | `messages`, `toolResults`, `currentNode`, `metadata`, all unbounded |
/// | 2 | [`SessionState`] |
pub const STATE_SCHEMA: i16 = 2;

/// A stored state that this version of the code cannot go on from.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableSnapshot {
    /// A later version of this code wrote it.
    #[error("schema {0} is not known to this version")]
    Later(i16),
    /// It is not what its schema says.
    #[error("schema {schema}: {source}")]
    Malformed {
        /// The schema.
        schema: i16,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is the state at another version.
    #[error("holds version {0}")]
    OtherVersion(i64),
}

/// A state as it is stored, and its schema.
pub fn write_snapshot(state: &SessionState) -> (i16, Value) {
    (STATE_SCHEMA, stored(state))
}

fn stored(state: &SessionState) -> Value {
    serde_json::to_value(state).expect("a state holds text, numbers and documents")
}

/// Reads the state at `version` that was stored under any schema up to today's.
pub fn read_snapshot(schema: i16, version: i64, stored: Value) -> Result<SessionState, UnreadableSnapshot> {
    let malformed = |source| UnreadableSnapshot::Malformed { schema, source };
    let state = match schema {
        1 => from_first(version, serde_json::from_value(stored).map_err(malformed)?),
        STATE_SCHEMA => serde_json::from_value(stored).map_err(malformed)?,
        later => return Err(UnreadableSnapshot::Later(later)),
    };
    if state.version != version {
        return Err(UnreadableSnapshot::OtherVersion(state.version));
    }
    Ok(state)
}

/// The state as the first schema had it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct First {
    messages: Vec<FirstMessage>,
    tool_results: BTreeMap<String, Value>,
    current_node: String,
    metadata: Value,
}

#[derive(Deserialize)]
struct FirstMessage {
    #[serde(default)]
    version: i64,
    role: String,
    speaker: Option<String>,
    content: String,
    #[serde(default)]
    timestamp: Timestamp,
}

/// From schema 1 to 2. The first did not say at which version a tool was called: the snapshot's own stands in for it.
fn from_first(version: i64, first: First) -> SessionState {
    let mut messages = Tail::default();
    for message in first.messages {
        messages.push(SaidEntry {
            version: message.version,
            role: message.role,
            speaker: message.speaker,
            content: message.content,
            occurred_at: message.timestamp,
        });
    }
    let tool_calls = i64::try_from(first.tool_results.len()).unwrap_or(i64::MAX);
    let result = |result| ToolResult::new(version, 1, result, Timestamp::UNIX_EPOCH);
    SessionState {
        version,
        current_node: first.current_node,
        messages,
        tool_calls,
        tool_results: first.tool_results.into_iter().map(|(tool, last)| (tool, result(last))).collect(),
        metadata: Metadata::from(first.metadata),
        ..SessionState::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_stored_under_the_first_schema_is_read_and_written_anew() {
        let old = json!({
            "messages": [{"role": "user", "content": "hi", "timestamp": "2026-01-02T03:04:05Z"}],
            "toolResults": {"search": [1, 2]},
            "currentNode": "plan",
            "metadata": {"mood": "good"},
        });
        let state = read_snapshot(1, 1000, old).unwrap();
        assert_eq!((state.version, state.current_node.as_str(), state.messages.count), (1000, "plan", 1));
        assert_eq!(state.tool_results["search"].result, json!([1, 2]));
        let (schema, new) = write_snapshot(&state);
        assert_eq!(schema, STATE_SCHEMA);
        assert_eq!(read_snapshot(schema, 1000, new).unwrap(), state);
    }

    #[test]
    fn what_cannot_be_gone_on_from_is_told() {
        let (schema, stored) = write_snapshot(&SessionState::default());
        assert!(matches!(read_snapshot(3, 0, stored.clone()), Err(UnreadableSnapshot::Later(3))));
        assert!(matches!(read_snapshot(schema, 1, stored), Err(UnreadableSnapshot::OtherVersion(0))));
        assert!(matches!(
            read_snapshot(1, 0, json!({})),
            Err(UnreadableSnapshot::Malformed { schema: 1, .. })
        ));
    }
}
