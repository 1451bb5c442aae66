//! The answers as callers see them.

use hot::{Document, Part, Revision, ToolState};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::Problem;

/// What is known of a document beside its members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionAnswer {
    /// Grows with every change; also the `etag`.
    version: i64,
    /// How many bytes it takes as compact JSON.
    bytes: usize,
    updated_at: Timestamp,
    /// Until when it lives, unless there is activity before.
    expires_at: Timestamp,
}

impl From<&Revision> for RevisionAnswer {
    fn from(revision: &Revision) -> Self {
        Self {
            version: revision.version,
            bytes: revision.bytes,
            updated_at: revision.updated_at,
            expires_at: revision.expires_at,
        }
    }
}

/// A document, or the part of it that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentAnswer {
    /// What is at `path`: without one, the whole.
    #[schema(value_type = Value)]
    value: Part,
    #[serde(flatten)]
    revision: RevisionAnswer,
}

impl DocumentAnswer {
    pub(super) fn new(revision: &Revision, value: Part) -> Self {
        Self { value, revision: revision.into() }
    }
}

/// A session's working memory, as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkingMemoryAnswer {
    #[schema(value_type = Object)]
    pub(crate) value: Document,
    #[serde(flatten)]
    pub(crate) revision: RevisionAnswer,
}

/// A document after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedAnswer {
    #[serde(flatten)]
    pub(super) revision: RevisionAnswer,
    /// Whether it was not so before.
    pub(super) changed: bool,
}

/// The tools of a session that have a state: at most 32.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolsAnswer {
    pub(super) tools: Vec<ToolAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolAnswer {
    name: String,
    #[serde(flatten)]
    revision: RevisionAnswer,
}

impl From<ToolState> for ToolAnswer {
    fn from(tool: ToolState) -> Self {
        Self { name: tool.name, revision: (&tool.revision).into() }
    }
}

/// What stands, for a problem.
pub(super) fn revision(revision: &Revision) -> Value {
    json!(RevisionAnswer::from(revision))
}

/// That there is no such document, and why.
pub(super) fn missing(what: &str, why: &str) -> Problem {
    Problem::not_found(format!("{what} is not there: {why}"))
}
