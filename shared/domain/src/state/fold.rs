use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::EventKind;
use crate::correction::OWN_PAYLOAD;
use crate::state::entry::Entry;
use crate::state::tail::{Decided, Tail, Weigh};

/// The node a session is at before its first transition.
pub const START_NODE: &str = "start";
/// A snapshot is kept of the state at every version that this divides.
pub const SNAPSHOT_EVERY: i64 = 1000;
/// How long the name of a node or a tool may be that the state goes by, in bytes.
const LONGEST_NAME: usize = 200;
/// Of how many tools the last result is kept.
const MOST_TOOLS: usize = 64;
/// How large those results may be together, in bytes; the newest is there whatever its size.
const MOST_RESULT_BYTES: usize = 256 * 1024;
/// How large the metadata may become, in bytes of JSON.
const MOST_METADATA_BYTES: usize = 128 * 1024;

/// What the log of a session comes to at one version. Its size is bounded, however long the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionState {
    /// The last event that is in it.
    pub version: i64,
    /// Where the application's agent is in its graph.
    pub current_node: String,
    /// What was said.
    pub messages: Tail<SaidEntry>,
    /// What was decided.
    pub decisions: Tail<Decided>,
    /// How many tools were called.
    pub tool_calls: i64,
    /// The last result of each tool, by its name.
    pub tool_results: BTreeMap<String, ToolResult>,
    /// What observations and transitions said, each merged into what was there before (RFC 7396).
    pub metadata: Metadata,
    /// How many of them were left out because the metadata would have become too large.
    pub metadata_left_out: i64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SaidEntry {
    /// The event.
    pub version: i64,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// The name of who spoke.
    pub speaker: Option<String>,
    /// The text.
    pub content: String,
    /// When.
    pub occurred_at: Timestamp,
}

impl Weigh for SaidEntry {
    fn weight(&self) -> usize {
        self.content.len()
    }
}

/// What a tool said last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredResult")]
pub struct ToolResult {
    /// The event.
    pub version: i64,
    /// How often the tool was called since it was last forgotten.
    pub calls: i64,
    /// The result: what the payload calls so, else the text of the event.
    pub result: Value,
    /// When.
    pub occurred_at: Timestamp,
    /// How long the result is as JSON.
    #[serde(skip)]
    bytes: usize,
}

#[derive(Deserialize)]
struct StoredResult {
    version: i64,
    calls: i64,
    result: Value,
    occurred_at: Timestamp,
}

impl From<StoredResult> for ToolResult {
    fn from(StoredResult { version, calls, result, occurred_at }: StoredResult) -> Self {
        Self::new(version, calls, result, occurred_at)
    }
}

impl ToolResult {
    /// A result of a tool that was called so often.
    pub fn new(version: i64, calls: i64, result: Value, occurred_at: Timestamp) -> Self {
        let bytes = result.to_string().len();
        Self { version, calls, result, occurred_at, bytes }
    }
}

/// An object that payloads are merged into.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub struct Metadata {
    document: Value,
    /// Not less than its length as JSON.
    bytes_at_most: usize,
}

/// Whether an event was understood. One that was not changes nothing but the version, and no snapshot may be kept of what
/// comes after it: a later version of this code will know better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Understood {
    /// It was.
    Yes,
    /// It was written by a later version of this code.
    No,
}

/// An event that does not follow the state it was to be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event {found} was added to the state at version {at}")]
pub struct OutOfOrder {
    /// The version of the state.
    pub at: i64,
    /// The version of the event.
    pub found: i64,
}

impl Default for SessionState {
    /// The state at version 0.
    fn default() -> Self {
        Self {
            version: 0,
            current_node: START_NODE.to_owned(),
            messages: Tail::default(),
            decisions: Tail::default(),
            tool_calls: 0,
            tool_results: BTreeMap::new(),
            metadata: Metadata::from(Value::Null),
            metadata_left_out: 0,
        }
    }
}

impl SessionState {
    /// Adds the next event.
    pub fn apply(&mut self, mut entry: Entry) -> Result<Understood, OutOfOrder> {
        if entry.version != self.version + 1 {
            return Err(OutOfOrder { at: self.version, found: entry.version });
        }
        self.version = entry.version;
        let Some((kind, payload)) = entry.read() else { return Ok(Understood::No) };
        match kind {
            EventKind::Message => self.messages.push(SaidEntry {
                version: entry.version,
                role: entry.role.unwrap_or_default(),
                speaker: entry.speaker,
                content: entry.content.unwrap_or_default(),
                occurred_at: entry.occurred_at,
            }),
            EventKind::Decision => self.decisions.push(Decided {
                version: entry.version,
                content: entry.content,
                payload: Value::Object(payload),
                occurred_at: entry.occurred_at,
            }),
            EventKind::ToolCall => self.keep_result(entry, payload),
            EventKind::Observation => {
                let mut payload = payload;
                payload.remove(OWN_PAYLOAD);
                self.merge(payload);
            }
            EventKind::NodeTransition => {
                let mut payload = payload;
                payload.remove(OWN_PAYLOAD);
                payload.remove("from");
                if let Some(node) = payload.remove("to").as_ref().and_then(name) {
                    node.clone_into(&mut self.current_node);
                }
                self.merge(payload);
            }
        }
        Ok(Understood::Yes)
    }

    fn keep_result(&mut self, entry: Entry, mut payload: Map<String, Value>) {
        self.tool_calls += 1;
        let Some(tool) = payload.get("name").and_then(name).map(str::to_owned) else { return };
        let result = payload.remove("result").or(entry.content.map(Value::String)).unwrap_or_default();
        let calls = self.tool_results.get(&tool).map_or(0, |known| known.calls) + 1;
        let kept = ToolResult::new(entry.version, calls, result, entry.occurred_at);
        self.tool_results.insert(tool, kept);
        let mut bytes: usize = self.tool_results.values().map(|result| result.bytes).sum();
        while self.tool_results.len() > 1
            && (self.tool_results.len() > MOST_TOOLS || bytes > MOST_RESULT_BYTES)
        {
            let oldest = self.tool_results.iter().min_by_key(|(_, result)| result.version);
            let Some(oldest) = oldest.map(|(tool, _)| tool.clone()) else { return };
            let freed = self.tool_results.remove(&oldest).map_or(0, |result| result.bytes);
            bytes = bytes.saturating_sub(freed);
        }
    }

    fn merge(&mut self, payload: Map<String, Value>) {
        if !self.metadata.merge(&Value::Object(payload)) {
            self.metadata_left_out += 1;
        }
    }
}

fn name(value: &Value) -> Option<&str> {
    value.as_str().filter(|name| (1..=LONGEST_NAME).contains(&name.len()))
}

impl Metadata {
    /// The object.
    pub const fn document(&self) -> &Value {
        &self.document
    }

    /// Merges a patch (RFC 7396), unless the object would become too large.
    fn merge(&mut self, patch: &Value) -> bool {
        // Merging cannot make the object longer than the two are together, so that it is seldom measured.
        let bytes_at_most = self.bytes_at_most + patch.to_string().len();
        if bytes_at_most <= MOST_METADATA_BYTES {
            json_patch::merge(&mut self.document, patch);
            self.bytes_at_most = bytes_at_most;
            return true;
        }
        let mut merged = self.document.clone();
        json_patch::merge(&mut merged, patch);
        let merged = Self::from(merged);
        let fits = merged.bytes_at_most <= MOST_METADATA_BYTES;
        if fits {
            *self = merged;
        }
        fits
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl From<Value> for Metadata {
    fn from(document: Value) -> Self {
        let document = if document.is_object() { document } else { Value::Object(Map::new()) };
        let bytes_at_most = document.to_string().len();
        Self { document, bytes_at_most }
    }
}

impl From<Metadata> for Value {
    fn from(metadata: Metadata) -> Self {
        metadata.document
    }
}

#[cfg(test)]
mod tests;
