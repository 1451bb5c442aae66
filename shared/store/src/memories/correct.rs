use domain::{
    APPLICATION, Account, Change, Correction, LedgerEntry, Memory, MemoryId, Outcome, Reconciled, TenantId,
    UserId, keeps_evidence, key_digest, memory_id, wording_digest,
};
use futures::try_join;
use jiff::Timestamp;
use serde_json::json;

use super::record::{Locked, Locks, append, come_to_nothing, observation};
use super::{Changed, MemoryChange};
use crate::append::Appends;
use crate::commit::{Writes, write_memories, write_run};
use crate::conflict::until_alone;
use crate::once::Requests;
use crate::{Effects, Error, Once, RequestKey, Store, row};

/// What is to be said in place of what a memory says.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionOf {
    /// The memory.
    pub memory: MemoryId,
    /// Its version as the caller saw it.
    pub version: i64,
    /// What is to be said.
    pub correction: Correction,
    /// Since when it is so; from now on when not given. Not after now.
    pub valid_from: Option<Timestamp>,
    /// Whether a correction of what has changed since is merged with that, instead of refused.
    pub merge: bool,
}

/// What a correction comes to, once what it touches is locked.
struct Settled {
    /// What holds, and is to be closed.
    holds: Memory,
    /// What is to be said in its place.
    account: Account,
    version: i64,
    expires_at: Option<Timestamp>,
}

impl Store {
    /// Corrects a memory: what holds is closed and points to a new memory under the same key, as sure as can be. What it
    /// said is not learned again from what had been said by then.
    ///
    /// Of any number of corrections of one version one counts; the others are told what holds, or merged with it.
    pub async fn correct_memory(
        &self,
        tenant: &TenantId,
        user: &UserId,
        correction: &CorrectionOf,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<MemoryChange>>, Error> {
        until_alone(|| Box::pin(self.correct_memory_once(tenant, user, correction, request))).await
    }

    async fn correct_memory_once(
        &self,
        tenant: &TenantId,
        user: &UserId,
        given: &CorrectionOf,
        request: Option<&RequestKey>,
    ) -> Result<Once<Changed<MemoryChange>>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (requests, appends, locks, writes) = try_join!(
            Requests::prepare(&transaction),
            Appends::prepare(&transaction),
            Locks::prepare(&transaction),
            Writes::prepare(&transaction),
        )?;
        let (read_version, retract, set_expiry) = try_join!(
            transaction.prepare(include_str!("../../queries/read_memory_version.sql")),
            transaction.prepare(include_str!("../../queries/insert_retraction.sql")),
            transaction.prepare("update afterthought.memories set expires_at = $2 where id = $1"),
        )?;
        let ((), claimed, (), found) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, tenant, user, request),
            transaction.mark(),
            locks.find(&transaction, tenant, user, given.memory),
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        let Some(found) = found else { return transaction.leave(Once::Done(Changed::Unknown)).await };
        if let Some(refused) = found.refuses() {
            return transaction.leave(Once::Done(refused)).await;
        }
        if given.valid_from.is_some_and(|since| since > found.at) {
            let refused = Changed::Refused("`valid_from` is after now, expected a time that has come");
            return transaction.leave(Once::Done(refused)).await;
        }
        let session = found.session();
        let record = observation(
            "correct",
            json!({
                "memory": given.memory, "content": given.correction.content, "data": given.correction.data,
            }),
        );
        let ((window, run), locked, seen) = try_join!(
            append(&transaction, &appends, (tenant, user, session), record, found.at),
            locks.lock(&transaction, given.memory),
            async { transaction.query(&read_version, &[&given.memory.0, &given.version]).await },
        )?;
        let seen = match seen.first() {
            Some(row) => Some(Account { content: row.try_get("content")?, data: row.try_get("data")? }),
            None => None,
        };
        let Settled { holds, account, version, expires_at } = match settle(&locked, given, seen)? {
            Ok(settled) => settled,
            Err(refused) => return transaction.leave(Once::Done(refused)).await,
        };
        if holds.content == account.content && holds.data == account.data {
            let whose = (tenant, user);
            return come_to_nothing(transaction, &requests, whose, request, unchanged(&holds, version)).await;
        }

        let through = window.through();
        let id = memory_id(tenant, window.session, APPLICATION, holds.kind, &holds.key, through, 0);
        let since = given.valid_from.unwrap_or_else(|| found.at.max(holds.valid_from));
        let Account { content, data } = account;
        let memory = Memory { id, content, data, confidence: 1.0, valid_from: since, ..holds.clone() };
        let kind = memory.kind;
        let change = Change {
            memory,
            evidence: vec![through],
            elsewhere: Vec::new(),
            past: None,
            updates: false,
            supersedes: Some(holds.id),
            inherits_evidence: keeps_evidence(kind),
            review: None,
        };
        let entry = LedgerEntry {
            outcome: Outcome::Superseded,
            kind,
            memory: Some(id),
            reason: None,
            evidence: vec![through],
        };
        let reconciled = Reconciled { changes: vec![change], ledger: vec![entry] };
        let answer = MemoryChange {
            outcome: Outcome::Superseded.as_str().to_owned(),
            memory: id,
            version: 1,
            supersedes: Some(holds.id),
            event: Some((session.to_owned(), through)),
            sessions: locked.sessions.into_iter().chain([window.session]).collect(),
        };
        let (key, wording) = (key_digest(&holds.key), wording_digest(&holds.content));
        let effects = Effects::default();
        // What is over anyway is not worth keeping until then.
        let expires_at = expires_at.filter(|until| *until > found.at);
        try_join!(
            write_memories(&transaction, &writes, &window, &run, &reconciled.changes),
            async {
                let digests = (key.as_slice(), wording.as_slice());
                transaction.execute(&retract, &[&holds.id.0, &digests.0, &digests.1, &"corrected"]).await
            },
            async {
                if expires_at.is_none() {
                    return Ok(0);
                }
                transaction.execute(&set_expiry, &[&id.0, &expires_at]).await
            },
            write_run(&transaction, &writes, &window, &run, &effects, &reconciled),
            requests.answer(&transaction, tenant, user, request, &answer),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Once::Done(Changed::Done(answer)))
    }
}

/// What a correction comes to, given the memory and what holds in its place; or why it cannot be.
fn settle(
    locked: &Locked,
    given: &CorrectionOf,
    seen: Option<Account>,
) -> Result<Result<Settled, Changed<MemoryChange>>, Error> {
    let Some(own) = &locked.own else { return Ok(Err(Changed::Unknown)) };
    if own.try_get::<_, &str>("status")? == "deleted" {
        return Ok(Err(Changed::Deleted));
    }
    let Some(holder) = &locked.holder else { return Ok(Err(Changed::Stale(None))) };
    let (own_version, holds): (i64, _) = (own.try_get("version")?, row::memory(holder)?);
    let is_as_seen = own_version == given.version && holds.id == given.memory;
    let account = |memory: Memory| Account { content: memory.content, data: memory.data };
    let account = if is_as_seen {
        given.correction.of(&account(holds.clone()))
    } else if given.merge {
        let seen = seen.map_or_else(|| row::memory(own).map(account), Ok)?;
        given.correction.onto(&seen, &account(holds.clone()))
    } else {
        return Ok(Err(Changed::Stale(Some(holds.id))));
    };
    let (version, expires_at) = (holder.try_get("version")?, holder.try_get("expires_at")?);
    Ok(Ok(Settled { holds, account, version, expires_at }))
}

/// What is said of a memory that says so already.
fn unchanged(holds: &Memory, version: i64) -> MemoryChange {
    MemoryChange {
        outcome: "unchanged".to_owned(),
        memory: holds.id,
        version,
        supersedes: None,
        event: None,
        sessions: Vec::new(),
    }
}
