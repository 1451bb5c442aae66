use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{MemoryId, SessionId, TenantId};

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryType {
    /// What a session was about.
    Summary,
    /// A person, place, organisation, project or date.
    Entity,
    /// A commitment, to-do or open question.
    Action,
    /// The tone of a session.
    Sentiment,
    /// A theme that recurs across sessions.
    Pattern,
    /// Something the user likes or wants.
    Preference,
    /// Something durable that is true of the user.
    Fact,
}

/// The field of a memory's data in which an agent carries along what it needs for the next window. It is the agent's own:
/// recall does not hand it out.
pub const CARRIED: &str = "carried";

/// Whether a person has one value at a time of what a fact names as its `attribute`, so that a new value takes the place of
/// the old one. Who stores facts, tidies them up and shows them as a profile must agree on it.
pub fn has_one_value(attribute: &str) -> bool {
    matches!(
        attribute,
        "name"
            | "nickname"
            | "age"
            | "birthday"
            | "home"
            | "origin"
            | "employer"
            | "occupation"
            | "studies"
            | "school"
            | "relationship"
            | "children"
            | "diet"
    )
}

impl MemoryType {
    /// Every type.
    pub const ALL: [Self; 7] = [
        Self::Summary,
        Self::Entity,
        Self::Action,
        Self::Sentiment,
        Self::Pattern,
        Self::Preference,
        Self::Fact,
    ];

    /// The name stored in `memories.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Entity => "entity",
            Self::Action => "action",
            Self::Sentiment => "sentiment",
            Self::Pattern => "pattern",
            Self::Preference => "preference",
            Self::Fact => "fact",
        }
    }

    /// The type stored under this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Who may see a memory: one session, every session of a user, or everyone in the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Only the session it came from.
    Session,
    /// Every session of the user.
    User,
    /// Every user of the tenant.
    Global,
}

impl Scope {
    /// The name stored in `memories.scope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
            Self::Global => "global",
        }
    }

    /// The scope stored under this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Session, Self::User, Self::Global].into_iter().find(|scope| scope.as_str() == name)
    }
}

/// An event a memory came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// The session.
    pub session: SessionId,
    /// The event's version within it.
    pub version: i64,
}

/// A memory that is true now, as far as an agent needs to see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its identifier.
    pub id: MemoryId,
    /// What it is about.
    pub kind: MemoryType,
    /// Who may see it.
    pub scope: Scope,
    /// What identifies it within its scope and type; two thoughts with the same key are about the same thing.
    pub key: String,
    /// The memory in words.
    pub content: String,
    /// The memory in data, `{}` when there is none.
    pub data: Value,
    /// 0 to 1.
    pub confidence: f32,
    /// Since when it holds.
    pub valid_from: Timestamp,
}

/// What happens when a thought meets a memory with the same scope, type and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// One thing seen again: evidence and data are added to the memory.
    Merge,
    /// A newer account replaces the older: the old memory's interval closes and points to the new one.
    Supersede,
    /// A newer account that builds on the older, as a rolling summary does: superseded, and its evidence carried over.
    Continue,
    /// A value that may change, as a home or a job does: the account that was said last holds, in whatever order sessions
    /// are thought about. One that comes late is kept as what held before. The same account again adds evidence.
    Latest,
}

impl OnConflict {
    /// The name stored in `memories.on_conflict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Supersede => "supersede",
            Self::Continue => "continue",
            Self::Latest => "latest",
        }
    }

    /// What is stored under this name, if there is such a thing.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Merge, Self::Supersede, Self::Continue, Self::Latest]
            .into_iter()
            .find(|wanted| wanted.as_str() == name)
    }
}

/// What an agent proposes to remember. It is only a proposal until the window commits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thought {
    /// What it is about.
    pub kind: MemoryType,
    /// Who may see it.
    pub scope: Scope,
    /// What identifies it within its scope and type.
    pub key: String,
    /// The thought in words.
    pub content: String,
    /// The thought in data, an object.
    pub data: Value,
    /// 0 to 1.
    pub confidence: f32,
    /// Versions of the window's events it came from. Those outside the window do not count; without any, and without any
    /// `elsewhere`, the thought is dropped.
    pub evidence: Vec<i64>,
    /// Events of the user's it came from that are not in the window, which the agent has read beside it. What is not an
    /// event of the user's does not count.
    #[serde(default)]
    pub elsewhere: Vec<Evidence>,
    /// Since when it holds, where that is not when the events of the window happened.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// What to do when it is known already.
    pub on_conflict: OnConflict,
    /// Whether the agent itself wants a person to look at it before anybody recalls it.
    #[serde(default)]
    pub review: bool,
}

/// A memory that an agent proposes to close, because it has read it beside the others of the user. Closed, it is history:
/// its evidence stays, and recall does not show it as what holds now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The memory, which must be as the agent has read it: else the run starts over.
    pub memory: MemoryId,
    /// What it is about.
    pub kind: MemoryType,
    /// Its version as the agent has read it.
    pub version: i64,
    /// Why it is closed.
    pub reason: ClosedBecause,
    /// The current memory that takes its place. When that is not current any more the run starts over.
    pub by: Option<MemoryId>,
    /// Since when it does not hold.
    pub at: Timestamp,
}

/// Why a memory is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBecause {
    /// Another memory says the same.
    Duplicate,
    /// A newer memory says otherwise.
    Contradicted,
    /// Nobody has said or asked for it in a long time.
    Faded,
    /// An application deleted it.
    Deleted,
}

impl ClosedBecause {
    /// The name stored in `ledger.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Contradicted => "contradicted",
            Self::Faded => "faded",
            Self::Deleted => "deleted",
        }
    }
}

/// The identifier of the memory that a thought of one session becomes when first stored.
///
/// UUID version 5 over tenant, session, agent, type, key and the last version of its window: a crash and a second
/// run make the same row, so a lost acknowledgement can never store a memory twice. An agent that was sent back to
/// think again (`generation` above 0) makes rows of their own.
pub fn memory_id(
    tenant: &TenantId,
    session: SessionId,
    agent: &str,
    kind: MemoryType,
    key: &str,
    through: i64,
    generation: i64,
) -> MemoryId {
    let again = if generation > 0 { format!("\u{0}{generation}") } else { String::new() };
    let name =
        format!("{tenant}\u{0}{session}\u{0}{agent}\u{0}{}\u{0}{key}\u{0}{through}{again}", kind.as_str());
    MemoryId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}
