use domain::{
    Decided, Decision, Edit, Effect, Memory, MemoryId, Pending, SessionId, TenantId, decide, wording_digest,
};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::conflict::until_alone;
use crate::connect::Transaction;
use crate::review::{DecisionRecord, decision_record};
use crate::{Error, Store, row};

/// A decision and who took it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReviewDecision<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The version of the proposal that the reviewer saw; any when not given.
    pub version: Option<i64>,
    /// Who decided, 1 to 200 bytes without NUL.
    pub reviewer: Option<&'a str>,
    /// Why, 1 to 2,000 bytes without NUL.
    pub note: Option<&'a str>,
}

/// How a decision ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Reviewed {
    /// It stands: taken now, or the same was decided before.
    Stands {
        /// The decision, by whoever was first.
        record: DecisionRecord,
        /// The sessions whose memories are to be indexed anew; none for a rejection.
        sessions: Vec<SessionId>,
    },
    /// Something else was decided before.
    Otherwise(DecisionRecord),
    /// More was proposed since the reviewer looked: this is its version now.
    Changed(i64),
}

impl Store {
    /// Takes a decision about a memory that waits, in one transaction of two round trips.
    ///
    /// Of any number of decisions one counts: the same again is answered as if it had been the first, another one is
    /// told what was decided. `None` when the tenant has no such memory.
    pub async fn decide_review(
        &self,
        tenant: &TenantId,
        memory: MemoryId,
        decision: &ReviewDecision<'_>,
    ) -> Result<Option<Reviewed>, Error> {
        until_alone(|| self.decide_review_once(tenant, memory, decision)).await
    }

    async fn decide_review_once(
        &self,
        tenant: &TenantId,
        id: MemoryId,
        given: &ReviewDecision<'_>,
    ) -> Result<Option<Reviewed>, Error> {
        let transaction = self.transaction(tenant).await?;
        let writes = Writes::prepare(&transaction).await?;
        let (lock, lock_current, find_decision) = try_join!(
            transaction.prepare(include_str!("../queries/lock_review.sql")),
            transaction.prepare(include_str!("../queries/lock_review_current.sql")),
            transaction.prepare(include_str!("../queries/find_decision.sql")),
        )?;
        // In this order, so that whatever the first statement waited for is seen by the others.
        let value: [&(dyn ToSql + Sync); 1] = [&id.0];
        let ((), waiting, current, decided) = try_join!(
            transaction.begin(),
            transaction.query(&lock, &value),
            transaction.query(&lock_current, &value),
            transaction.query(&find_decision, &value),
        )?;
        let Some(waiting) = waiting.first() else { return left(transaction, None).await };
        let own_session: Option<Uuid> = waiting.try_get("session_id")?;
        if let Some(row) = decided.first()
            && let Some(record) = decision_record(row)?
        {
            if !says(&record, given.decision) {
                return left(transaction, Some(Reviewed::Otherwise(record))).await;
            }
            let stands = stands(record, own_session, row.try_get("became_session")?);
            return left(transaction, Some(stands)).await;
        }
        if waiting.try_get::<_, &str>("status")? != "pending_review" {
            return left(transaction, None).await;
        }
        let version: i64 = waiting.try_get("version")?;
        if given.version.is_some_and(|seen| seen != version) {
            return left(transaction, Some(Reviewed::Changed(version))).await;
        }

        let pending = row::pending(waiting)?;
        let (current, current_session) = match current.first() {
            Some(row) => (Some(row::memory(row)?), row.try_get("session_id")?),
            None => (None, None),
        };
        let outcome = decide(&pending, current.as_ref(), given.decision);
        let (became, became_session) = match &outcome.effect {
            Effect::Remembered { memory, .. } => (Some(memory.id), own_session),
            Effect::Merged { memory } => (Some(memory.id), current_session),
            Effect::Rejected => (None, None),
        };
        let (decided_at, (), ()) = try_join!(
            write_decision(&transaction, &writes, &pending, given, &outcome, became),
            write_effect(&transaction, &writes, &pending, &outcome.effect),
            transaction.commit(),
        )?;
        transaction.end();
        let edit = edit_of(given.decision);
        let record = DecisionRecord {
            decision: given.decision.as_str().to_owned(),
            edited_content: edit.and_then(Edit::content).map(str::to_owned),
            edited_data: edit.and_then(Edit::data).cloned(),
            became,
            reviewer: given.reviewer.map(str::to_owned),
            note: given.note.map(str::to_owned),
            decided_at,
        };
        Ok(Some(stands(record, own_session, became_session)))
    }
}

/// Gives the connection back with nothing written.
async fn left(transaction: Transaction, answer: Option<Reviewed>) -> Result<Option<Reviewed>, Error> {
    transaction.commit().await?;
    transaction.end();
    Ok(answer)
}

/// What a decision writes with, prepared before the transaction begins: nothing may wait between the writes and the
/// commit they share a round trip with.
struct Writes {
    close: Statement,
    inherit: Statement,
    update: Statement,
    settle: Statement,
    insert: Statement,
}

impl Writes {
    async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (close, inherit, update, settle, insert) = try_join!(
            transaction.prepare(include_str!("../queries/close_memories.sql")),
            transaction.prepare(include_str!("../queries/inherit_evidence.sql")),
            transaction.prepare(include_str!("../queries/update_memories.sql")),
            transaction.prepare(include_str!("../queries/settle_review.sql")),
            transaction.prepare(include_str!("../queries/insert_review.sql")),
        )?;
        Ok(Self { close, inherit, update, settle, insert })
    }
}

/// Writes down the decision, and answers when it was taken.
async fn write_decision(
    transaction: &Transaction,
    writes: &Writes,
    pending: &Pending,
    given: &ReviewDecision<'_>,
    outcome: &Decided,
    became: Option<MemoryId>,
) -> Result<Timestamp, Error> {
    let edit = edit_of(given.decision);
    let (content, data) = (edit.and_then(Edit::content), edit.and_then(Edit::data));
    let wording = outcome.refuses.map(|_extent| wording_digest(&pending.memory.content));
    let wording: Option<&[u8]> = wording.as_ref().map(<[u8; 32]>::as_slice);
    let refuses = outcome.refuses.map(domain::Extent::as_str);
    let became = became.map(|memory| memory.0);
    let values: [&(dyn ToSql + Sync); 9] = [
        &pending.memory.id.0,
        &given.decision.as_str(),
        &content,
        &data,
        &became,
        &refuses,
        &wording,
        &given.reviewer,
        &given.note,
    ];
    let rows = transaction.query(&writes.insert, &values).await?;
    let row = rows.first().expect("the memory is locked, so its decision is written");
    Ok(row.try_get("decided_at")?)
}

async fn write_effect(
    transaction: &Transaction,
    writes: &Writes,
    pending: &Pending,
    effect: &Effect,
) -> Result<(), Error> {
    let waiting = &pending.memory;
    match effect {
        Effect::Rejected => settle(transaction, writes, waiting, "rejected", None).await,
        Effect::Remembered { memory, supersedes: None, .. } => {
            settle(transaction, writes, memory, "active", None).await
        }
        Effect::Remembered { memory, supersedes: Some(closed), inherits_evidence } => {
            let (from, to, since) = (vec![closed.0], vec![memory.id.0], vec![memory.valid_from]);
            let closing: [&(dyn ToSql + Sync); 3] = [&from, &to, &since];
            try_join!(
                // The old one first: there is never more than one current memory under a key.
                transaction.execute(&writes.close, &closing),
                settle(transaction, writes, memory, "active", None),
                async {
                    if !inherits_evidence {
                        return Ok(0);
                    }
                    transaction.execute(&writes.inherit, &[&from, &to]).await
                },
            )?;
            Ok(())
        }
        Effect::Merged { memory } => {
            let none: Vec<Option<&str>> = vec![None];
            let (ids, contents, data) = (vec![memory.id.0], vec![&memory.content], vec![&memory.data]);
            let (confidences, valid_from) = (vec![memory.confidence], vec![memory.valid_from]);
            let (from, to) = (vec![waiting.id.0], vec![memory.id.0]);
            let updated: [&(dyn ToSql + Sync); 7] =
                [&ids, &contents, &data, &confidences, &valid_from, &none, &none];
            let inherited: [&(dyn ToSql + Sync); 2] = [&from, &to];
            try_join!(
                transaction.execute(&writes.update, &updated),
                transaction.execute(&writes.inherit, &inherited),
                settle(transaction, writes, waiting, "active", Some(memory.id)),
            )?;
            Ok(())
        }
    }
}

/// Makes of the memory that waited what `memory` says, or the predecessor of the one it went into.
async fn settle(
    transaction: &Transaction,
    writes: &Writes,
    memory: &Memory,
    status: &str,
    into: Option<MemoryId>,
) -> Result<(), Error> {
    let into = into.map(|memory| memory.0);
    let values: [&(dyn ToSql + Sync); 7] =
        [&memory.id.0, &status, &memory.content, &memory.data, &memory.confidence, &memory.valid_from, &into];
    transaction.execute(&writes.settle, &values).await?;
    Ok(())
}

const fn edit_of(decision: &Decision) -> Option<&Edit> {
    match decision {
        Decision::Edit(edit) => Some(edit),
        Decision::Approve | Decision::Reject => None,
    }
}

/// Whether what was decided is what is decided now.
fn says(record: &DecisionRecord, decision: &Decision) -> bool {
    let edit = edit_of(decision);
    record.decision == decision.as_str()
        && record.edited_content.as_deref() == edit.and_then(Edit::content)
        && record.edited_data.as_ref() == edit.and_then(Edit::data)
}

fn stands(record: DecisionRecord, own: Option<Uuid>, became: Option<Uuid>) -> Reviewed {
    let mut sessions: Vec<SessionId> = Vec::new();
    if record.became.is_some() {
        sessions.extend(own.into_iter().chain(became).map(SessionId));
        sessions.dedup();
    }
    Reviewed::Stands { record, sessions }
}
