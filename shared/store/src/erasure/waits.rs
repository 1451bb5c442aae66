use std::fmt;

use domain::TenantId;
use jiff::Timestamp;
use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store, target};

/// What an open erasure waits for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ErasureWait {
    /// Which kind of thing.
    pub reason: WaitReason,
    /// The adopted table, where it is one.
    pub table: Option<String>,
    /// How that stands, where it is one.
    pub state: Option<AdoptedState>,
}

/// The kinds of what an open erasure waits for, in the order in which they are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Hot state was not looked through yet.
    HotState,
    /// Objects of the archive are left.
    Archive,
    /// Rows are left.
    Rows,
    /// A transaction is open that may have begun before the erasure.
    Transactions,
    /// Rows of an adopted table that may have been written before the erasure have not been read.
    AdoptedTable,
    /// Nothing but the janitor's last look.
    LastLook,
}

/// How an adopted table stands that holds an erasure up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptedState {
    /// It cannot be read.
    Broken,
    /// The rows that had been there are being read.
    Backfill,
    /// New rows wait to be read.
    Unread,
}

impl fmt::Display for ErasureWait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            WaitReason::HotState => "hot_state",
            WaitReason::Archive => "archive",
            WaitReason::Rows => "rows",
            WaitReason::Transactions => "transactions",
            WaitReason::AdoptedTable => "adopted_table",
            WaitReason::LastLook => "last_look",
        };
        formatter.write_str(reason)?;
        let Some(table) = &self.table else { return Ok(()) };
        let state = match self.state {
            Some(AdoptedState::Broken) => " (broken)",
            Some(AdoptedState::Backfill) => " (backfill)",
            Some(AdoptedState::Unread) => " (unread)",
            None => "",
        };
        write!(formatter, " {table}{state}")
    }
}

/// The erasures of a tenant that are not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenErasures {
    /// The tenant.
    pub tenant: TenantId,
    /// How many there are.
    pub count: i64,
    /// When the oldest was asked for first.
    pub oldest: Timestamp,
}

impl Store {
    /// How many erasures are open of each tenant that has any.
    pub async fn count_open_erasures(&self) -> Result<Vec<OpenErasures>, Error> {
        let connection = self.connection().await?;
        let count = "select tenant, open, oldest from afterthought.open_erasures()";
        let rows = connection.query(&connection.prepare(count).await?, &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(OpenErasures {
                    tenant: target::tenant(row, "erasures", &Uuid::nil())?,
                    count: row.try_get("open")?,
                    oldest: row.try_get("oldest")?,
                })
            })
            .collect()
    }

    /// What an erasure waits for; nothing when it is complete, or there is no such erasure.
    pub async fn erasure_waits_for(
        &self,
        tenant: &TenantId,
        erasure: Uuid,
    ) -> Result<Vec<ErasureWait>, Error> {
        let ask = "select $1::uuid as id, afterthought.erasure_waits_for($1) as waits_for";
        let values: [&(dyn ToSql + Sync); 1] = [&erasure];
        let rows = self.at_once(tenant, ask, &values).await?;
        rows.first().map_or(Ok(Vec::new()), waits_for)
    }
}

/// What the erasure of a row waits for.
pub(super) fn waits_for(row: &Row) -> Result<Vec<ErasureWait>, Error> {
    let waits: Option<serde_json::Value> = row.try_get("waits_for")?;
    let id: Uuid = row.try_get("id")?;
    waits.map_or(Ok(Vec::new()), serde_json::from_value).map_err(|error| Error::Stored {
        table: "erasures",
        column: "waits_for",
        key: id.to_string(),
        got: error.to_string(),
    })
}
