//! What an erasure touches, found without changing anything.

use domain::{MemoryId, SessionId, TenantId, UserId, key_digest, wording_digest};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::{Counts, GoneSession};
use crate::Error;
use crate::connect::Transaction;

/// The statements, prepared before the transaction begins.
pub(super) struct Looks {
    pub(super) lock_sessions: Statement,
    pub(super) list_sessions: Statement,
    touched: Statement,
    derived: Statement,
    evident: Statement,
    count: Statement,
}

impl Looks {
    pub(super) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (lock_sessions, list_sessions, touched, derived, evident, count) = try_join!(
            transaction.prepare(include_str!("../../queries/lock_erased_sessions.sql")),
            transaction.prepare(include_str!("../../queries/list_erased_sessions.sql")),
            transaction.prepare(include_str!("../../queries/list_touched_memories.sql")),
            transaction.prepare(include_str!("../../queries/list_derived_memories.sql")),
            transaction.prepare(include_str!("../../queries/list_evident_sessions.sql")),
            transaction.prepare(include_str!("../../queries/count_erasable.sql")),
        )?;
        Ok(Self { lock_sessions, list_sessions, touched, derived, evident, count })
    }
}

/// Whom an erasure is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) user: &'a UserId,
    /// Whether all of theirs goes.
    pub(super) is_whole: bool,
    /// Only what had been written by then; anything when not given.
    pub(super) by: Option<Timestamp>,
}

impl Whose<'_> {
    pub(super) fn whole_user(&self) -> Option<&str> {
        self.is_whole.then_some(self.user.as_str())
    }
}

/// Rows that go, and rows that lose a part.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Sessions that go.
    pub(super) sessions: Vec<GoneSession>,
    /// Memories that go.
    pub(super) memories: Vec<Uuid>,
    /// What is left of each of a memory that is erased by itself: the digests of its key and its words.
    pub(super) digests: Vec<([u8; 32], [u8; 32])>,
    /// Memories that lose the evidence of the sessions.
    pub(super) shared: Vec<Uuid>,
}

impl Touched {
    pub(super) fn session_ids(&self) -> Vec<Uuid> {
        self.sessions.iter().map(|session| session.id.0).collect()
    }

    /// What goes with these sessions.
    pub(super) async fn of_sessions(
        transaction: &Transaction,
        looks: &Looks,
        whose: Whose<'_>,
        sessions: &[Row],
    ) -> Result<Self, Error> {
        let mut touched = Self { sessions: gone(sessions)?, ..Self::default() };
        let ids = touched.session_ids();
        let values: [&(dyn ToSql + Sync); 5] =
            [&whose.tenant.as_str(), &whose.whole_user(), &ids, &whose.by, &whose.user.as_str()];
        for row in transaction.query(&looks.touched, &values).await? {
            let id: Uuid = row.try_get("id")?;
            if row.try_get("goes")? { touched.memories.push(id) } else { touched.shared.push(id) }
        }
        Ok(touched)
    }

    /// What goes with a memory; nothing when the user has no such memory.
    pub(super) async fn of_memory(
        transaction: &Transaction,
        looks: &Looks,
        whose: Whose<'_>,
        memory: MemoryId,
    ) -> Result<Self, Error> {
        let values: [&(dyn ToSql + Sync); 3] = [&whose.tenant.as_str(), &whose.user.as_str(), &memory.0];
        let mut touched = Self::default();
        for row in transaction.query(&looks.derived, &values).await? {
            touched.memories.push(row.try_get("id")?);
            touched.digests.push((key_digest(row.try_get("key")?), wording_digest(row.try_get("content")?)));
        }
        Ok(touched)
    }

    /// How many rows of each layer that is.
    pub(super) async fn count(
        &self,
        transaction: &Transaction,
        looks: &Looks,
        whose: Whose<'_>,
    ) -> Result<Counts, Error> {
        let values: [&(dyn ToSql + Sync); 4] =
            [&whose.tenant.as_str(), &whose.whole_user(), &self.session_ids(), &self.memories];
        Counts::of_rows(&transaction.query(&looks.count, &values).await?)
    }

    /// The sessions whose hot items show what goes: those that go, or those that the memories came from.
    pub(super) async fn evident_sessions(
        &self,
        transaction: &Transaction,
        looks: &Looks,
    ) -> Result<Vec<GoneSession>, Error> {
        if !self.sessions.is_empty() {
            return Ok(self.sessions.clone());
        }
        gone(&transaction.query(&looks.evident, &[&self.memories]).await?)
    }
}

fn gone(rows: &[Row]) -> Result<Vec<GoneSession>, Error> {
    let session =
        |row: &Row| Ok(GoneSession { id: SessionId(row.try_get("id")?), name: row.try_get("session")? });
    rows.iter().map(session).collect()
}
