use domain::{Evidence, Memory, MemoryId, SessionId, TenantId, UserId};
use futures::try_join;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Changed;
use super::record::{Locks, append, observation_of};
use crate::append::Appends;
use crate::conflict::until_alone;
use crate::once::Requests;
use crate::{Error, Once, RequestKey, Store, row};

/// A promotion that is on its way: the event by which the memory-curator will find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// The memory.
    pub memory: MemoryId,
    /// The name of its session.
    pub session: String,
    /// The event's version there. The promotion has been thought about when the memory-curator has reached it.
    pub version: i64,
}

/// A memory that an application wants every session of its user to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotable {
    /// What was asked for.
    pub asked: MemoryId,
    /// The memory, or what holds in its place.
    pub memory: Memory,
    /// Its version, by which a commit knows whether it was changed since.
    pub version: i64,
    /// The events it came from.
    pub evidence: Vec<Evidence>,
}

impl Store {
    /// Asks for a memory of session scope to become one of user scope: appends an event that the memory-curator reads with
    /// the session's others.
    pub async fn promote_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        memory: MemoryId,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<Promoted>>, Error> {
        until_alone(|| Box::pin(self.promote_memory_once(tenant, user, memory, request))).await
    }

    async fn promote_memory_once(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<Promoted>>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (requests, appends, locks, find_holder) = try_join!(
            Requests::prepare(&transaction),
            Appends::prepare(&transaction),
            Locks::prepare(&transaction),
            transaction.prepare(include_str!("../../queries/find_holder.sql")),
        )?;
        let ((), claimed, found, holder) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, tenant, user, request),
            locks.find(&transaction, tenant, user, id),
            async { transaction.query(&find_holder, &[&id.0]).await },
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        let Some(found) = found else { return transaction.leave(Once::Done(Changed::Unknown)).await };
        let refused = if let Some(refused) = found.refuses() {
            Some(refused)
        } else if found.status == "deleted" {
            Some(Changed::Deleted)
        } else if found.scope != "session" {
            Some(Changed::Refused("the memory belongs to every session of the user already"))
        } else if found.valid_to.is_some() {
            let holder = holder.first().map(|row| row.try_get::<_, Uuid>("id")).transpose()?;
            Some(Changed::Stale(holder.map(MemoryId)))
        } else {
            None
        };
        if let Some(refused) = refused {
            return transaction.leave(Once::Done(refused)).await;
        }
        let session = found.session();
        let record = observation_of("promote", id);
        let (window, _run) =
            append(&transaction, &appends, (tenant, user, session), record, found.at).await?;
        let promoted = Promoted { memory: id, session: session.to_owned(), version: window.through() };
        try_join!(requests.answer(&transaction, tenant, user, request, &promoted), transaction.commit())?;
        transaction.end();
        Ok(Once::Done(Changed::Done(promoted)))
    }

    /// Those of `memories` that belong to a session and hold, or what holds there in their places, each with its evidence,
    /// in one round trip. What was deleted or has expired is left out.
    pub async fn promotable(
        &self,
        tenant: &TenantId,
        session: SessionId,
        memories: &[MemoryId],
    ) -> Result<Vec<Promotable>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_promoted.sql")).await?;
        let ids: Vec<Uuid> = memories.iter().map(|memory| memory.0).collect();
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &session.0, &ids];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter()
            .map(|row| {
                let sessions: Option<Vec<Uuid>> = row.try_get("sessions")?;
                let versions: Option<Vec<i64>> = row.try_get("versions")?;
                let events = sessions.unwrap_or_default().into_iter().zip(versions.unwrap_or_default());
                Ok(Promotable {
                    asked: MemoryId(row.try_get("asked")?),
                    memory: row::memory(row)?,
                    version: row.try_get("version")?,
                    evidence: events
                        .map(|(session, version)| Evidence { session: SessionId(session), version })
                        .collect(),
                })
            })
            .collect()
    }
}
