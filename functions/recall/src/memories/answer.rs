//! The answers as callers see them.

use domain::MemoryId;
use jiff::Timestamp;
use serde::Serialize;
use store::{ListedMemory, MemoryCase, MemoryChange, MemoryLink, MemoryPosition, MemoryStatus, Promoted};
use utoipa::ToSchema;

use super::request::Cursor;
use crate::http::page_length;
use crate::search::PlainMemory;

/// A page of memories, the last stored first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryPage {
    pub(crate) memories: Vec<KeptMemory>,
    /// What goes into `after` of the next request; null on the last page.
    pub(crate) next: Option<String>,
}

impl MemoryPage {
    /// The page of at most `limit` out of memories of which one more was asked for.
    pub(crate) fn of(listed: Vec<ListedMemory>, limit: u16) -> Self {
        let position =
            |memory: &ListedMemory| MemoryPosition { created_at: memory.created_at, id: memory.memory.id };
        let positions: Vec<MemoryPosition> = listed.iter().map(position).collect();
        let mut memories: Vec<KeptMemory> = listed.into_iter().map(KeptMemory::from).collect();
        let (length, found) = (page_length(&memories, limit), memories.len());
        memories.truncate(length);
        let last = positions.into_iter().take(length).next_back();
        let next = last.filter(|_| length < found).map(|last| Cursor(last).text());
        Self { memories, next }
    }
}

/// A memory and what has become of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeptMemory {
    #[serde(flatten)]
    memory: PlainMemory,
    /// What identifies it within its scope and type.
    key: String,
    /// The session it was stored from.
    session: Option<String>,
    /// `active`, `superseded`, `expired` or `deleted`.
    #[schema(value_type = String)]
    status: MemoryStatus,
    /// Goes up with every change.
    version: i64,
    pinned: bool,
    /// Until when it held; null while it does.
    valid_to: Option<Timestamp>,
    /// What took its place.
    #[schema(value_type = Option<uuid::Uuid>)]
    superseded_by: Option<MemoryId>,
    /// Until when it is kept; null for good.
    expires_at: Option<Timestamp>,
    /// Who stored it: an agent, or `application`.
    agent: String,
    model: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<ListedMemory> for KeptMemory {
    fn from(listed: ListedMemory) -> Self {
        Self {
            key: listed.memory.key.clone(),
            memory: listed.memory.into(),
            session: listed.session,
            status: listed.status,
            version: listed.version,
            pinned: listed.pinned,
            valid_to: listed.valid_to,
            superseded_by: listed.superseded_by,
            expires_at: listed.expires_at,
            agent: listed.agent,
            model: listed.model,
            created_at: listed.created_at,
            updated_at: listed.updated_at,
        }
    }
}

/// A memory with everything that is known about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryDetails {
    #[serde(flatten)]
    memory: KeptMemory,
    /// The latest 100 events it came from, oldest first.
    evidence: Vec<EventOfMemory>,
    /// How many events it came from in all.
    evidence_count: i64,
    /// How often recall handed it out.
    access_count: i64,
    last_accessed_at: Option<Timestamp>,
    /// What it took the place of, and what that had, the oldest first.
    supersedes: Vec<MemoryInChain>,
    /// What took its place, and what took that one's in turn.
    superseded: Vec<MemoryInChain>,
}

/// An event that a memory came from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventOfMemory {
    session: String,
    version: i64,
}

/// One of the memories that took each other's place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryInChain {
    #[schema(value_type = uuid::Uuid)]
    id: MemoryId,
    /// Null of one that was deleted.
    content: Option<String>,
    #[schema(value_type = String)]
    status: MemoryStatus,
    valid_from: Timestamp,
    valid_to: Option<Timestamp>,
}

impl From<MemoryLink> for MemoryInChain {
    fn from(link: MemoryLink) -> Self {
        let MemoryLink { id, content, status, valid_from, valid_to } = link;
        Self { id, content, status, valid_from, valid_to }
    }
}

fn events(evidence: impl IntoIterator<Item = (String, i64)>) -> Vec<EventOfMemory> {
    evidence.into_iter().map(|(session, version)| EventOfMemory { session, version }).collect()
}

impl From<MemoryCase> for MemoryDetails {
    fn from(case: MemoryCase) -> Self {
        Self {
            memory: case.memory.into(),
            evidence: events(case.evidence),
            evidence_count: case.evidence_count,
            access_count: case.access_count,
            last_accessed_at: case.last_accessed_at,
            supersedes: case.before.into_iter().map(MemoryInChain::from).collect(),
            superseded: case.after.into_iter().map(MemoryInChain::from).collect(),
        }
    }
}

/// What became of what was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryWritten {
    /// `stored`, `merged` into one that was there, `superseded` one that was there, `pending` until a person has seen it,
    /// `changed`, `unchanged` or `deleted`.
    outcome: String,
    /// The memory that says so.
    #[schema(value_type = uuid::Uuid)]
    pub(crate) memory: MemoryId,
    pub(crate) version: i64,
    /// The memory whose place it took.
    #[schema(value_type = Option<uuid::Uuid>)]
    supersedes: Option<MemoryId>,
    /// The event that records it; null when nothing was written.
    event: Option<EventOfMemory>,
}

impl From<MemoryChange> for MemoryWritten {
    fn from(change: MemoryChange) -> Self {
        Self {
            outcome: change.outcome,
            memory: change.memory,
            version: change.version,
            supersedes: change.supersedes,
            event: events(change.event).pop(),
        }
    }
}

/// A promotion that is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Promotion {
    #[schema(value_type = uuid::Uuid)]
    memory: MemoryId,
    /// The event that asks for it: done when the memory-curator has reached that version of the session.
    event: EventOfMemory,
}

impl From<Promoted> for Promotion {
    fn from(promoted: Promoted) -> Self {
        let Promoted { memory, session, version } = promoted;
        Self { memory, event: EventOfMemory { session, version } }
    }
}
