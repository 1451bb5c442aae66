//! Erasing a user, a session or a memory: the tombstone, what goes at once, and what is left for later.
//!
//! One transaction deletes everything that leads to what is erased: sessions with their cursors and runs, memories with
//! their index, whatever is the user's as a whole. What hangs off the identifier of a session that is gone, the events
//! and their index, nobody comes by any more; it goes in batches. For [`crate::Role::Keeper`].

mod counts;
mod erase;
mod purge;
mod receipt;
mod sweep;
mod touched;
mod vacuum;
mod verify;
mod waits;

use domain::{MemoryId, SessionId, UserId};
use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub(crate) use erase::Deletes;
pub use erase::{Erasable, Erased};
pub use purge::{OpenErasure, Purged};
pub use receipt::{ErasedSubject, ErasurePosition, Receipt};
pub use verify::Verification;
pub use waits::{AdoptedState, ErasureWait, OpenErasures, WaitReason};

/// What is to be erased of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasing<'a> {
    /// Everything.
    User,
    /// A session, by its name, and what was learned from it alone.
    Session(&'a str),
    /// A memory, what it took the place of, and what says the same or quotes it.
    Memory(MemoryId),
}

impl Erasing<'_> {
    const fn subject(&self) -> ErasedSubject {
        match self {
            Self::User => ErasedSubject::User,
            Self::Session(_) => ErasedSubject::Session,
            Self::Memory(_) => ErasedSubject::Memory,
        }
    }

    /// The name beside the user's, of what is one of several.
    fn name(&self) -> Option<String> {
        match self {
            Self::User => None,
            Self::Session(session) => Some((*session).to_owned()),
            Self::Memory(memory) => Some(memory.to_string()),
        }
    }
}

/// A session whose hot items go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneSession {
    /// Its identifier.
    pub id: SessionId,
    /// Its name.
    pub name: String,
}

/// What it takes to find the rest of an erasure: kept until there is none.
#[derive(Debug, Serialize, Deserialize)]
struct Names {
    user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// Hot items are known by the names of the sessions that an erased memory came from, which stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<(SessionId, String)>,
    /// Whether hot state was not looked through yet.
    #[serde(default)]
    hot_is_left: bool,
}

impl Names {
    fn of(user: &UserId, erasing: &Erasing<'_>, sessions: &[GoneSession]) -> Self {
        let mut names = Self { user: user.clone(), session: None, sessions: Vec::new(), hot_is_left: true };
        match erasing {
            Erasing::User => {}
            Erasing::Session(session) => names.session = Some((*session).to_owned()),
            Erasing::Memory(_) => {
                names.sessions = sessions.iter().map(|session| (session.id, session.name.clone())).collect();
            }
        }
        names
    }

    fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("names are texts and identifiers")
    }
}
