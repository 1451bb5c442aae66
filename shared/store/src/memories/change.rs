use domain::{ClosedBecause, Closing, MemoryId, Reconciled, TenantId, UserId, key_digest, wording_digest};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::record::{Locked, Locks, append, come_to_nothing, observation_of};
use super::{Changed, MemoryChange};
use crate::append::Appends;
use crate::commit::{Writes, write_run};
use crate::conflict::until_alone;
use crate::once::Requests;
use crate::{Effects, Error, Once, RequestKey, Store, row};

/// What is to change of a memory, beside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryPatch {
    /// Its version as the caller saw it.
    pub version: i64,
    /// Whether it is to be kept, whatever becomes of others.
    pub pinned: Option<bool>,
    /// Until when it is to be kept; `Some(None)` for good. Later than now.
    pub expires_at: Option<Option<Timestamp>>,
    /// Whether a deleted memory is to be as it was, and one that faded is to hold again.
    pub restore: bool,
}

impl Store {
    /// Changes what an application may change of a memory beside what it says, takes its deletion back, or has it hold again
    /// after nobody needed it. The latter counts as handing it out once, or it would fade again at once.
    pub async fn change_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        memory: MemoryId,
        patch: &MemoryPatch,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<MemoryChange>>, Error> {
        until_alone(|| Box::pin(self.change_memory_once(tenant, user, memory, patch, request))).await
    }

    async fn change_memory_once(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        patch: &MemoryPatch,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<MemoryChange>>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (requests, appends, locks) = try_join!(
            Requests::prepare(&transaction),
            Appends::prepare(&transaction),
            Locks::prepare(&transaction),
        )?;
        let (change, find_other, unretract, count) = try_join!(
            transaction.prepare(include_str!("../../queries/change_memory.sql")),
            transaction.prepare(include_str!("../../queries/find_holder_of_key.sql")),
            transaction.prepare(include_str!("../../queries/delete_retraction.sql")),
            transaction.prepare(include_str!("../../queries/count_accesses.sql")),
        )?;
        let ((), claimed, (), found) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, tenant, user, request),
            transaction.mark(),
            locks.find(&transaction, tenant, user, id),
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        let Some(found) = found else { return transaction.leave(Once::Done(Changed::Unknown)).await };
        if let Some(refused) = found.refuses() {
            return transaction.leave(Once::Done(refused)).await;
        }
        if patch.expires_at.flatten().is_some_and(|until| until <= found.at) {
            let refused = Changed::Refused("`expires_at` is not after now, expected a time to come or null");
            return transaction.leave(Once::Done(refused)).await;
        }
        let is_restored = patch.restore && found.status == "deleted";
        let is_reopened =
            patch.restore && found.status == "active" && found.valid_to.is_some() && !found.is_replaced;
        let comes_back = is_restored || is_reopened;
        let session = found.session();
        let (event, locked, other) = try_join!(
            async {
                if !comes_back {
                    return Ok(None);
                }
                let record = observation_of("restore", id);
                let whose = (tenant, user, session);
                let (window, _run) = append(&transaction, &appends, whose, record, found.at).await?;
                Ok(Some((window.session, window.through())))
            },
            locks.lock(&transaction, id),
            async { transaction.query(&find_other, &[&id.0]).await },
        )?;
        let Some(own) = &locked.own else { return transaction.leave(Once::Done(Changed::Unknown)).await };
        let (version, status): (i64, &str) = (own.try_get("version")?, own.try_get("status")?);
        let valid_to: Option<Timestamp> = own.try_get("valid_to")?;
        let refused = if (status == "deleted") != is_restored {
            // Deleted without a wish to take it back, or taken back by somebody else since.
            Some(if status == "deleted" { Changed::Deleted } else { Changed::Stale(Some(id)) })
        } else if version != patch.version {
            Some(Changed::Stale(Some(locked.holder_id()?.unwrap_or(id))))
        } else if comes_back && (is_reopened || valid_to.is_none()) && !other.is_empty() {
            let holds = other.first().map(|row| row.try_get("id")).transpose()?;
            Some(Changed::Stale(holds.map(MemoryId)))
        } else if !comes_back && valid_to.is_some() {
            Some(Changed::Stale(locked.holder_id()?))
        } else {
            None
        };
        if let Some(refused) = refused {
            return transaction.leave(Once::Done(refused)).await;
        }
        let pinned: bool = own.try_get("pinned")?;
        let expires_at: Option<Timestamp> = own.try_get("expires_at")?;
        let changes = comes_back
            || patch.pinned.is_some_and(|wanted| wanted != pinned)
            || patch.expires_at.is_some_and(|wanted| wanted != expires_at);
        let answer = MemoryChange {
            outcome: if changes { "changed" } else { "unchanged" }.to_owned(),
            memory: id,
            version: version + i64::from(changes),
            supersedes: None,
            event: event.map(|(_, version)| (session.to_owned(), version)),
            sessions: if comes_back { locked.sessions.clone() } else { Vec::new() },
        };
        if !changes {
            return come_to_nothing(transaction, &requests, (tenant, user), request, answer).await;
        }
        let status = is_restored.then_some("active");
        let until = patch.expires_at.flatten();
        let values: [&(dyn ToSql + Sync); 6] =
            [&id.0, &status, &patch.pinned, &patch.expires_at.is_some(), &until, &is_reopened];
        let (ids, counts, times) = ([id.0], [1_i64], [found.at]);
        let handed: [&(dyn ToSql + Sync); 4] =
            [&tenant.as_str(), &ids.as_slice(), &counts.as_slice(), &times.as_slice()];
        try_join!(
            transaction.execute(&change, &values),
            async {
                if !is_restored {
                    return Ok(0);
                }
                transaction.execute(&unretract, &[&id.0]).await
            },
            async { if is_reopened { transaction.execute(&count, &handed).await } else { Ok(0) } },
            requests.answer(&transaction, tenant, user, request, &answer),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Once::Done(Changed::Done(answer)))
    }

    /// Deletes a memory: nobody sees it any more, and it is not learned again from what had been said by then. Its row
    /// stays until it is cleared away, and until then the deletion can be taken back. Of one that is deleted already the
    /// answer is the same.
    ///
    /// `version` is the one that the caller saw, where it matters.
    pub async fn delete_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        memory: MemoryId,
        version: Option<i64>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<MemoryChange>>, Error> {
        until_alone(|| Box::pin(self.delete_memory_once(tenant, user, memory, version, request))).await
    }

    async fn delete_memory_once(
        &self,
        tenant: &TenantId,
        user: &UserId,
        id: MemoryId,
        seen: Option<i64>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<MemoryChange>>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (requests, appends, locks, writes) = try_join!(
            Requests::prepare(&transaction),
            Appends::prepare(&transaction),
            Locks::prepare(&transaction),
            Writes::prepare(&transaction),
        )?;
        let (change, retract) = try_join!(
            transaction.prepare(include_str!("../../queries/change_memory.sql")),
            transaction.prepare(include_str!("../../queries/insert_retraction.sql")),
        )?;
        let ((), claimed, (), found) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, tenant, user, request),
            transaction.mark(),
            locks.find(&transaction, tenant, user, id),
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        let Some(found) = found else { return transaction.leave(Once::Done(Changed::Unknown)).await };
        if let Some(refused) = found.refuses() {
            return transaction.leave(Once::Done(refused)).await;
        }
        if found.status == "deleted" {
            let answer = gone(id, found.version);
            return come_to_nothing(transaction, &requests, (tenant, user), request, answer).await;
        }
        let session = found.session();
        let record = observation_of("delete", id);
        let ((window, run), locked) = try_join!(
            append(&transaction, &appends, (tenant, user, session), record, found.at),
            locks.lock(&transaction, id),
        )?;
        let Locked { own: Some(own), .. } = &locked else {
            return transaction.leave(Once::Done(Changed::Unknown)).await;
        };
        let version: i64 = own.try_get("version")?;
        if own.try_get::<_, &str>("status")? == "deleted" {
            let answer = gone(id, version);
            return come_to_nothing(transaction, &requests, (tenant, user), request, answer).await;
        }
        if seen.is_some_and(|seen| seen != version) {
            let holder = locked.holder_id()?;
            return transaction.leave(Once::Done(Changed::Stale(holder))).await;
        }
        let memory = row::memory(own)?;
        let answer = MemoryChange {
            event: Some((session.to_owned(), window.through())),
            sessions: locked.sessions.clone(),
            ..gone(id, version + 1)
        };
        let (key, wording) = (key_digest(&memory.key), wording_digest(&memory.content));
        let closing = Closing {
            memory: id,
            kind: memory.kind,
            version,
            reason: ClosedBecause::Deleted,
            by: None,
            at: found.at,
        };
        let effects = Effects { closings: vec![closing], ..Effects::default() };
        let nothing_new = Reconciled::default();
        let (nothing, never): (Option<bool>, Option<Timestamp>) = (None, None);
        let values: [&(dyn ToSql + Sync); 6] = [&id.0, &"deleted", &nothing, &false, &never, &false];
        try_join!(
            transaction.execute(&change, &values),
            async {
                let digests = (key.as_slice(), wording.as_slice());
                transaction.execute(&retract, &[&id.0, &digests.0, &digests.1, &"deleted"]).await
            },
            write_run(&transaction, &writes, &window, &run, &effects, &nothing_new),
            requests.answer(&transaction, tenant, user, request, &answer),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Once::Done(Changed::Done(answer)))
    }
}

/// What is said of a memory that is deleted.
fn gone(memory: MemoryId, version: i64) -> MemoryChange {
    MemoryChange {
        outcome: "deleted".to_owned(),
        memory,
        version,
        supersedes: None,
        event: None,
        sessions: Vec::new(),
    }
}
