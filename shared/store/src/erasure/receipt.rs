use domain::{TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Counts;
use super::waits::{ErasureWait, waits_for};
use crate::connect::Transaction;
use crate::{Error, Store};

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedSubject {
    /// A user.
    User,
    /// A session.
    Session,
    /// A memory.
    Memory,
}

impl ErasedSubject {
    /// The name stored in `erasures.subject`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Memory => "memory",
        }
    }

    /// The subject stored under this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Session, Self::Memory].into_iter().find(|subject| subject.as_str() == name)
    }
}

/// What an erasure did, and how far it is. It says nothing of whom it was about.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The erasure.
    pub id: Uuid,
    /// What was erased.
    pub subject: ErasedSubject,
    /// How many rows and items there were of each layer.
    pub counts: Counts,
    /// Since when nobody sees anything of it.
    pub erased_at: Timestamp,
    /// Since when no row is left.
    pub purged_at: Option<Timestamp>,
    /// Since when nothing is, in any layer.
    pub completed_at: Option<Timestamp>,
    /// What it waits for, as far as that was asked; nothing when it is complete.
    pub waits_for: Vec<ErasureWait>,
}

/// A place in the list of a tenant's erasures: when the last one seen was made, and which it was.
pub type ErasurePosition = (Timestamp, Uuid);

impl Receipt {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let id: Uuid = row.try_get("id")?;
        let stored =
            |column, got: String| Error::Stored { table: "erasures", column, key: id.to_string(), got };
        let subject: String = row.try_get("subject")?;
        let counts: serde_json::Value = row.try_get("counts")?;
        Ok(Self {
            id,
            subject: ErasedSubject::from_name(&subject).ok_or_else(|| stored("subject", subject))?,
            counts: serde_json::from_value(counts).map_err(|error| stored("counts", error.to_string()))?,
            erased_at: row.try_get("erased_at")?,
            purged_at: row.try_get("purged_at")?,
            completed_at: row.try_get("completed_at")?,
            waits_for: waits_for(row)?,
        })
    }
}

impl Store {
    /// An erasure that was asked for of this user; `None` when there is no such.
    pub async fn erasure(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasure: Uuid,
    ) -> Result<Option<Receipt>, Error> {
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &user.as_str(), &erasure];
        let rows = self.receipts(tenant, include_str!("../../queries/read_erasure.sql"), &values).await?;
        Ok(rows.into_iter().next())
    }

    /// A tenant's erasures, the newest first, from a place in that order on; those that are not complete alone when
    /// `is_open`.
    pub async fn erasures(
        &self,
        tenant: &TenantId,
        after: Option<ErasurePosition>,
        is_open: bool,
        limit: u16,
    ) -> Result<Vec<Receipt>, Error> {
        let (at, id) = after.unzip();
        let values: [&(dyn ToSql + Sync); 5] = [&tenant.as_str(), &at, &id, &is_open, &i64::from(limit)];
        self.receipts(tenant, include_str!("../../queries/list_erasures.sql"), &values).await
    }

    async fn receipts(
        &self,
        tenant: &TenantId,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Receipt>, Error> {
        let transaction: Transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(sql).await?;
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, values), transaction.commit())?;
        transaction.end();
        rows.iter().map(Receipt::read).collect()
    }
}
