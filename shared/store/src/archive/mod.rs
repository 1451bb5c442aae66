//! Events whose words are in the archive: how they go there, how they are read, and how they come back.
//!
//! The row of an event stays in the log. Its content and metadata are in an object, which a row of `archive_objects` names; that
//! row is written before the object and deleted after it.

mod clear;
mod keep;
mod orphans;
mod restore;
mod words;

use archive::Place;
use domain::{SessionId, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::Error;

pub use keep::{Archived, IdleSession};
pub use orphans::Swept;
pub use restore::Restored;

/// The agent that indexes events: it begins again where they come back.
const INDEXER: &str = "indexer";

/// An object, as a row names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    id: Uuid,
    session: SessionId,
    first: i64,
    last: i64,
    checksum: Vec<u8>,
}

impl Object {
    /// From the columns `id`, `session_id`, `first_version`, `last_version` and `checksum`.
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get("id")?,
            session: SessionId(row.try_get("session_id")?),
            first: row.try_get("first_version")?,
            last: row.try_get("last_version")?,
            checksum: row.try_get("checksum")?,
        })
    }

    fn place<'a>(&self, tenant: &'a TenantId) -> Place<'a> {
        Place { tenant, session: self.session, id: self.id, first: self.first, last: self.last }
    }
}
