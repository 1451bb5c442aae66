use domain::{MemoryId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{ListedMemory, MemoryStatus};
use crate::{Error, Store};

/// A memory with everything that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryCase {
    /// The memory.
    pub memory: ListedMemory,
    /// The latest events it came from, oldest first, as session names and versions.
    pub evidence: Vec<(String, i64)>,
    /// How many events it came from in all.
    pub evidence_count: i64,
    /// How often recall handed it out.
    pub access_count: i64,
    /// When it last did.
    pub last_accessed_at: Option<Timestamp>,
    /// What it took the place of, and what that had, the oldest first.
    pub before: Vec<MemoryLink>,
    /// What took its place, and what took that one's in turn: the last is what holds, if anything does.
    pub after: Vec<MemoryLink>,
}

/// A memory as a link in the chain of those that took each other's place.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryLink {
    /// The memory.
    pub id: MemoryId,
    /// What it says; `None` of one that was deleted.
    pub content: Option<String>,
    /// What has become of it.
    pub status: MemoryStatus,
    /// Since when it held.
    pub valid_from: Timestamp,
    /// Until when; `None` while it does.
    pub valid_to: Option<Timestamp>,
}

impl Store {
    /// A memory that a user may see, with its latest events, at most `most_events`, in one round trip. `None` when there
    /// is none, or it waits for a person or was refused.
    pub async fn find_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        memory: MemoryId,
        most_events: u16,
        now: Timestamp,
    ) -> Result<Option<MemoryCase>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (find, chain) = try_join!(
            transaction.prepare(include_str!("../../queries/find_memory.sql")),
            transaction.prepare(include_str!("../../queries/list_memory_chain.sql")),
        )?;
        let (tenant, user, events) = (tenant.as_str(), user.as_str(), i64::from(most_events));
        let found: [&(dyn ToSql + Sync); 4] = [&tenant, &user, &memory.0, &events];
        let linked: [&(dyn ToSql + Sync); 3] = [&tenant, &user, &memory.0];
        let ((), found, links, ()) = try_join!(
            transaction.begin(),
            transaction.query(&find, &found),
            transaction.query(&chain, &linked),
            transaction.commit(),
        )?;
        transaction.end();
        let Some(row) = found.first() else { return Ok(None) };
        let sessions: Option<Vec<String>> = row.try_get("sessions")?;
        let versions: Option<Vec<i64>> = row.try_get("versions")?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for row in &links {
            let status = MemoryStatus::read(row, now)?;
            let link = MemoryLink {
                id: MemoryId(row.try_get::<_, Uuid>("id")?),
                content: if status == MemoryStatus::Deleted { None } else { row.try_get("content")? },
                status,
                valid_from: row.try_get("valid_from")?,
                valid_to: row.try_get("valid_to")?,
            };
            if row.try_get::<_, i32>("step")? < 0 { before.push(link) } else { after.push(link) }
        }
        Ok(Some(MemoryCase {
            memory: ListedMemory::read(row, now)?,
            evidence: sessions.unwrap_or_default().into_iter().zip(versions.unwrap_or_default()).collect(),
            evidence_count: row.try_get::<_, Option<i64>>("events")?.unwrap_or(0),
            access_count: row.try_get("access_count")?,
            last_accessed_at: row.try_get("last_accessed_at")?,
            before,
            after,
        }))
    }
}
