use domain::{OWN_PAYLOAD, TenantId, UserId};
use futures::try_join;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::touched::{Looks, Touched, Whose};
use super::{Counts, Erasing, GoneSession, Names, Receipt};
use crate::conflict::until_alone;
use crate::connect::Transaction;
use crate::{Error, Store};

/// What an erasure did.
#[derive(Debug, Clone, PartialEq)]
pub struct Erased {
    /// Its receipt.
    pub receipt: Receipt,
    /// The sessions whose hot items go with it.
    pub sessions: Vec<GoneSession>,
}

/// The statements that delete, prepared before the transaction begins.
pub(crate) struct Deletes {
    send_back: Statement,
    requests: Statement,
    strip: Statement,
    unindex: Statement,
    lock_memories: Statement,
    point_past: Statement,
    memories: Statement,
    retractions: Statement,
    sessions: Statement,
    user: Statement,
}

impl Deletes {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (
            send_back,
            requests,
            strip,
            unindex,
            lock_memories,
            point_past,
            memories,
            retractions,
            sessions,
            user,
        ) = try_join!(
            transaction.prepare(include_str!("../../queries/send_back_to_evidence.sql")),
            transaction.prepare(include_str!("../../queries/delete_erased_requests.sql")),
            transaction.prepare(include_str!("../../queries/strip_shared_memories.sql")),
            transaction.prepare(include_str!("../../queries/unindex_erased_memories.sql")),
            transaction.prepare(include_str!("../../queries/lock_erased_memories.sql")),
            transaction.prepare(include_str!("../../queries/point_past_erased.sql")),
            transaction.prepare(include_str!("../../queries/delete_erased_memories.sql")),
            transaction.prepare(include_str!("../../queries/delete_erased_retractions.sql")),
            transaction.prepare(include_str!("../../queries/delete_erased_sessions.sql")),
            transaction.prepare(include_str!("../../queries/delete_erased_user.sql")),
        )?;
        Ok(Self {
            send_back,
            requests,
            strip,
            unindex,
            lock_memories,
            point_past,
            memories,
            retractions,
            sessions,
            user,
        })
    }

    /// Deletes memories with everything that hangs off them; joined in front of `commit`. What they took the place of points
    /// past them.
    pub(crate) async fn delete_memories(
        &self,
        transaction: &Transaction,
        memories: &Vec<Uuid>,
    ) -> Result<(), Error> {
        let values: [&(dyn ToSql + Sync); 1] = [memories];
        try_join!(
            transaction.query(&self.lock_memories, &values),
            transaction.query(&self.unindex, &values),
            transaction.execute(&self.point_past, &values),
            transaction.execute(&self.memories, &values),
        )?;
        Ok(())
    }

    /// Deletes what leads to everything else; joined in front of `commit`.
    pub(super) async fn delete(
        &self,
        transaction: &Transaction,
        whose: Whose<'_>,
        touched: &Touched,
    ) -> Result<(), Error> {
        let sessions = touched.session_ids();
        let (tenant, user) = (whose.tenant.as_str(), whose.user.as_str());
        let shared: [&(dyn ToSql + Sync); 2] = [&touched.shared, &sessions];
        let relearned: [&(dyn ToSql + Sync); 2] = [&touched.memories, &sessions];
        let answers: [&(dyn ToSql + Sync); 3] = [&tenant, &user, &sessions];
        let retractions: [&(dyn ToSql + Sync); 2] = [&tenant, &sessions];
        let gone: [&(dyn ToSql + Sync); 1] = [&sessions];
        let whole: [&(dyn ToSql + Sync); 3] = [&tenant, &user, &whose.by];
        try_join!(
            async {
                // A memory that is erased by itself is not to be learned anew.
                if touched.memories.is_empty() || !touched.digests.is_empty() {
                    Ok(0)
                } else {
                    transaction.execute(&self.send_back, &relearned).await
                }
            },
            transaction.execute(&self.strip, &shared),
            transaction.execute(&self.requests, &answers),
            self.delete_memories(transaction, &touched.memories),
            transaction.execute(&self.retractions, &retractions),
            transaction.execute(&self.sessions, &gone),
            async { if whose.is_whole { transaction.execute(&self.user, &whole).await } else { Ok(0) } },
        )?;
        Ok(())
    }
}

impl Store {
    /// How many rows of each layer an erasure would be about; `None` when the user has no such memory. Nothing is changed.
    pub async fn erasable(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
    ) -> Result<Option<Erasable>, Error> {
        let transaction = self.transaction(tenant).await?;
        let looks = Looks::prepare(&transaction).await?;
        let whose = Whose { tenant, user, is_whole: erasing == Erasing::User, by: None };
        transaction.begin().await?;
        let touched = look(&transaction, &looks, whose, erasing, &looks.list_sessions).await?;
        if matches!(erasing, Erasing::Memory(_)) && touched.memories.is_empty() {
            return transaction.leave(None).await;
        }
        let (counts, sessions) = try_join!(
            touched.count(&transaction, &looks, whose),
            touched.evident_sessions(&transaction, &looks),
        )?;
        transaction.leave(Some(Erasable { counts, sessions })).await
    }

    /// Erases: from here on nobody sees anything of it, no run of `agents` that has begun has an effect, and what had been
    /// accepted by now does not come back. `None` when the user has no such memory and never had it erased.
    ///
    /// What was accepted and is not stored yet nobody can see, so whoever asks again means that too: the erasure that is open moves on
    /// to now, and one that is complete, or takes long already, has another after it. A memory cannot come again, and has one
    /// receipt. One transaction; it waits up to ten seconds for those that write what is to go, and is then an error.
    pub async fn erase(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
        agents: &[&str],
    ) -> Result<Option<Erased>, Error> {
        self.restore_quoted(tenant, user, erasing).await?;
        until_alone(|| Box::pin(self.erase_once(tenant, user, erasing, agents))).await
    }

    async fn erase_once(
        &self,
        tenant: &TenantId,
        user: &UserId,
        erasing: Erasing<'_>,
        agents: &[&str],
    ) -> Result<Option<Erased>, Error> {
        let transaction = self.transaction(tenant).await?;
        let looks = Looks::prepare(&transaction).await?;
        let deletes = Deletes::prepare(&transaction).await?;
        let (begin, open, call_off, find, again, insert, redact, retract) = try_join!(
            transaction.prepare(include_str!("../../queries/begin_erasure.sql")),
            transaction.prepare(include_str!("../../queries/open_cursors.sql")),
            transaction.prepare(include_str!("../../queries/call_off_runs.sql")),
            transaction.prepare(include_str!("../../queries/find_erasure.sql")),
            transaction.prepare(include_str!("../../queries/ask_erasure_again.sql")),
            transaction.prepare(include_str!("../../queries/insert_erasure.sql")),
            transaction.prepare(include_str!("../../queries/redact_own_events.sql")),
            transaction.prepare(include_str!("../../queries/insert_erased_retractions.sql")),
        )?;
        let whose = Whose { tenant, user, is_whole: erasing == Erasing::User, by: None };
        let (tenant_name, user_name, name) = (tenant.as_str(), user.as_str(), erasing.name());
        let users: [&(dyn ToSql + Sync); 2] = [&tenant_name, &user_name];
        let cursors: [&(dyn ToSql + Sync); 4] = [&tenant_name, &user_name, &None::<Uuid>, &agents];
        try_join!(
            transaction.begin(),
            transaction.query(&begin, &users),
            async {
                // A run without a cursor could not be called off. With the user, the session itself goes.
                if whose.is_whole { Ok(0) } else { transaction.execute(&open, &cursors).await }
            },
            transaction.execute(&call_off, &users),
        )?;
        let touched = look(&transaction, &looks, whose, erasing, &looks.lock_sessions).await?;
        let subject = erasing.subject().as_str();
        let before: [&(dyn ToSql + Sync); 4] = [&tenant_name, &user_name, &subject, &name];
        let (counts, sessions, before) = try_join!(
            touched.count(&transaction, &looks, whose),
            touched.evident_sessions(&transaction, &looks),
            transaction.query(&find, &before),
        )?;
        let before = before.first();
        if counts.is_nothing() && matches!(erasing, Erasing::Memory(_)) {
            let receipt = before.map(Receipt::read).transpose()?;
            return transaction.leave(receipt.map(|receipt| Erased { receipt, sessions })).await;
        }
        if let Some(before) = before
            && counts.is_nothing()
            && before.try_get("goes_on")?
        {
            let id: Uuid = before.try_get("id")?;
            let values: [&(dyn ToSql + Sync); 1] = [&id];
            let (moved, ()) = try_join!(transaction.query(&again, &values), transaction.commit())?;
            transaction.end();
            let row = moved.first().expect("the row is locked, and a tombstone stays");
            return Ok(Some(Erased { receipt: Receipt::read(row)?, sessions }));
        }

        let id = Uuid::now_v7();
        let names = Names::of(user, &erasing, &sessions).to_value();
        let (layers, rows) = counts.columns();
        let session_ids = touched.session_ids();
        let values: [&(dyn ToSql + Sync); 9] =
            [&id, &tenant_name, &user_name, &subject, &name, &layers, &rows, &session_ids, &names];
        let (keys, wordings): (Vec<&[u8]>, Vec<&[u8]>) =
            touched.digests.iter().map(|(key, wording)| (key.as_slice(), wording.as_slice())).unzip();
        let redacted: [&(dyn ToSql + Sync); 2] = [&touched.memories, &OWN_PAYLOAD];
        let retracted: [&(dyn ToSql + Sync); 3] = [&touched.memories, &keys, &wordings];
        let (_redacted, _retracted, (), made, ()) = try_join!(
            async { if keys.is_empty() { Ok(0) } else { transaction.execute(&redact, &redacted).await } },
            async { if keys.is_empty() { Ok(0) } else { transaction.execute(&retract, &retracted).await } },
            deletes.delete(&transaction, whose, &touched),
            transaction.query(&insert, &values),
            transaction.commit(),
        )?;
        transaction.end();
        let row = made.first().expect("an insertion that succeeded returns its row");
        Ok(Some(Erased { receipt: Receipt::read(row)?, sessions }))
    }
}

/// What an erasure would be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasable {
    /// How many rows of each layer.
    pub counts: Counts,
    /// The sessions whose hot items would go with it.
    pub sessions: Vec<GoneSession>,
}

async fn look(
    transaction: &Transaction,
    looks: &Looks,
    whose: Whose<'_>,
    erasing: Erasing<'_>,
    sessions: &Statement,
) -> Result<Touched, Error> {
    let name = match erasing {
        Erasing::Memory(memory) => return Touched::of_memory(transaction, looks, whose, memory).await,
        Erasing::User => None,
        Erasing::Session(name) => Some(name),
    };
    let values: [&(dyn ToSql + Sync); 4] = [&whose.tenant.as_str(), &whose.user.as_str(), &name, &whose.by];
    let found = transaction.query(sessions, &values).await?;
    Touched::of_sessions(transaction, looks, whose, &found).await
}
