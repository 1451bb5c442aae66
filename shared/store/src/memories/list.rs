use domain::{MemoryId, MemoryType, Scope, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::{ListedMemory, MemoryStatus};
use crate::{Error, Store};

/// Which memories are wanted: those that match every field that is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryFilter {
    /// Of this type.
    pub kind: Option<MemoryType>,
    /// Of this scope. Without it those of the user and of the user's sessions; with [`Scope::Global`] everybody's.
    pub scope: Option<Scope>,
    /// Stored from this session.
    pub session: Option<String>,
    /// Of one of these; of what holds now when empty. Of no account with `as_of`.
    pub statuses: Vec<MemoryStatus>,
    /// Those that held then, as far as it is known now; never what was deleted.
    pub as_of: Option<Timestamp>,
    /// Pinned, or not.
    pub pinned: Option<bool>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPosition {
    /// When the page's last memory was stored.
    pub created_at: Timestamp,
    /// That memory.
    pub id: MemoryId,
}

impl Store {
    /// A user's memories that match, the last stored first, at most `limit`, those after a position. In one round trip.
    ///
    /// When and as what a memory was stored never changes, so whoever turns the pages sees every memory that matches from
    /// the first page to the last once, whatever is stored meanwhile.
    pub async fn list_memories(
        &self,
        tenant: &TenantId,
        user: &UserId,
        filter: &MemoryFilter,
        after: Option<MemoryPosition>,
        limit: u16,
        now: Timestamp,
    ) -> Result<Vec<ListedMemory>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_memories.sql")).await?;
        let owner = if filter.scope == Some(Scope::Global) { "" } else { user.as_str() };
        let kinds: Vec<&str> = match filter.kind {
            Some(kind) => vec![kind.as_str()],
            None => MemoryType::ALL.map(MemoryType::as_str).to_vec(),
        };
        let statuses: Vec<&str> = match filter.statuses.as_slice() {
            [] => vec![MemoryStatus::Active.as_str()],
            wanted => wanted.iter().map(|status| status.as_str()).collect(),
        };
        let (after_at, after_id) = after.map(|position| (position.created_at, position.id.0)).unzip();
        let values: [&(dyn ToSql + Sync); 11] = [
            &tenant.as_str(),
            &owner,
            &kinds,
            &filter.scope.map(Scope::as_str),
            &filter.session,
            &statuses,
            &filter.as_of,
            &filter.pinned,
            &after_at,
            &after_id,
            &i64::from(limit),
        ];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(|row| ListedMemory::read(row, now)).collect()
    }
}
