//! Memories as applications handle them: listed, shown, made, corrected, pinned, deleted, promoted.
//!
//! What an application does is written down like what an agent does: an observation in a session's log, a run, a line in the
//! ledger. An operation that changes a memory appends its event first, which locks the session, and locks the memory then, so
//! that of any number of changes at once one is first and the others see what it did.

mod change;
mod correct;
mod list;
mod promote;
mod record;
mod remember;
mod show;

use domain::{Memory, MemoryId, SessionId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

pub use self::change::MemoryPatch;
pub use self::correct::CorrectionOf;
pub use self::list::{MemoryFilter, MemoryPosition};
pub use self::promote::{Promotable, Promoted};
pub use self::remember::{Remembered, Remembering};
pub use self::show::{MemoryCase, MemoryLink};
use crate::{Error, row};

/// What has become of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryStatus {
    /// It holds.
    Active,
    /// It does not hold any more: another took its place, or it faded.
    Superseded,
    /// It was to be kept until a moment that is over.
    Expired,
    /// An application deleted it.
    Deleted,
}

impl MemoryStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Active, Self::Superseded, Self::Expired, Self::Deleted];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }

    /// The status of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Reads it from the columns `status`, `valid_to` and `expires_at` of a memory that applications see.
    fn read(row: &Row, now: Timestamp) -> Result<Self, Error> {
        let stored: &str = row.try_get("status")?;
        let valid_to: Option<Timestamp> = row.try_get("valid_to")?;
        let expires_at: Option<Timestamp> = row.try_get("expires_at")?;
        Ok(if stored == "deleted" {
            Self::Deleted
        } else if valid_to.is_some() {
            Self::Superseded
        } else if expires_at.is_some_and(|until| until <= now) {
            Self::Expired
        } else {
            Self::Active
        })
    }
}

/// A memory as applications see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedMemory {
    /// The memory.
    pub memory: Memory,
    /// The name of the session it was stored from.
    pub session: Option<String>,
    /// What has become of it.
    pub status: MemoryStatus,
    /// Whether somebody wants it kept.
    pub pinned: bool,
    /// Goes up with every change.
    pub version: i64,
    /// Until when it held; `None` while it does.
    pub valid_to: Option<Timestamp>,
    /// What took its place.
    pub superseded_by: Option<MemoryId>,
    /// Until when it is to be kept; `None` for good.
    pub expires_at: Option<Timestamp>,
    /// Who stored it: an agent, or `application`.
    pub agent: String,
    /// What thought it.
    pub model: String,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl ListedMemory {
    fn read(row: &Row, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            memory: row::memory(row)?,
            session: row.try_get("session")?,
            status: MemoryStatus::read(row, now)?,
            pinned: row.try_get("pinned")?,
            version: row.try_get("version")?,
            valid_to: row.try_get("valid_to")?,
            superseded_by: row.try_get::<_, Option<Uuid>>("superseded_by")?.map(MemoryId),
            expires_at: row.try_get("expires_at")?,
            agent: row.try_get("agent")?,
            model: row.try_get("model")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// What a change of a memory came to. Kept as the answer to its request key, so its form only grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryChange {
    /// What became of it: `stored`, `merged`, `superseded`, `pending`, `unchanged`, `changed`, `deleted`.
    pub outcome: String,
    /// The memory that says so now.
    pub memory: MemoryId,
    /// Its version; 0 when it is not known, as of one that waits for a person.
    pub version: i64,
    /// The memory whose place it took.
    pub supersedes: Option<MemoryId>,
    /// The event that records it: the name of its session and its version there.
    pub event: Option<(String, i64)>,
    /// The sessions whose hot contexts may show it.
    pub sessions: Vec<SessionId>,
}

/// How an attempt to change a memory ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed<T> {
    /// It was made.
    Done(T),
    /// The user has no such memory.
    Unknown,
    /// The memory is not as the caller saw it, or does not hold any more: this one holds now, if any does.
    Stale(Option<MemoryId>),
    /// The memory was deleted.
    Deleted,
    /// The memory waits for a person, who decides about it.
    Waits,
    /// The memory is everybody's, so that no user may change it.
    Everybodys,
    /// It makes no sense for this memory; says what was expected.
    Refused(&'static str),
}
