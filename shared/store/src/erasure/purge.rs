use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::erase::Deletes;
use super::touched::{Looks, Touched, Whose};
use super::{Counts, ErasedSubject, ErasurePosition, Names};
use crate::conflict::until_alone;
use crate::{Error, Store};

/// The layer that is left of an erasure that was asked for again while it was looked through.
const ASKED_AGAIN: &str = "asked for again";
/// So many sessions are purged at a time.
const SESSIONS_AT_ONCE: i64 = 100;

/// An erasure that is not complete.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenErasure {
    /// Its identifier.
    pub id: Uuid,
    /// Whose tenant.
    pub tenant: TenantId,
    /// What was erased.
    pub subject: ErasedSubject,
    /// Whose it was.
    pub user: UserId,
    /// The name of the session that was erased.
    pub session: Option<String>,
    /// The sessions that an erased memory came from, which stay.
    pub evident: Vec<(SessionId, String)>,
    /// Whether hot state was not looked through yet: whoever asked for the erasure ended before.
    pub hot_is_left: bool,
    /// Since when nobody sees anything of it.
    pub erased_at: Timestamp,
    /// When it was asked for first; `erased_at` is the last time.
    pub asked_at: Timestamp,
    /// Since when no row is left.
    pub purged_at: Option<Timestamp>,
}

impl OpenErasure {
    /// Its place among a tenant's.
    pub const fn position(&self) -> ErasurePosition {
        (self.erased_at, self.id)
    }

    fn whose(&self) -> Whose<'_> {
        Whose {
            tenant: &self.tenant,
            user: &self.user,
            is_whole: self.subject == ErasedSubject::User,
            by: Some(self.erased_at),
        }
    }
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Rows deleted.
    pub rows: u64,
    /// Whether no row is left.
    pub is_done: bool,
}

impl Store {
    /// A tenant's erasures that are not complete, the oldest first, from a place in that order on.
    pub async fn open_erasures(
        &self,
        tenant: &TenantId,
        after: Option<ErasurePosition>,
        limit: u16,
    ) -> Result<Vec<OpenErasure>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_open_erasures.sql")).await?;
        let (at, id) = after.unzip();
        let values: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &at, &id, &i64::from(limit)];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter()
            .map(|row| {
                let id: Uuid = row.try_get("id")?;
                let stored = |column, got: String| Error::Stored {
                    table: "erasures",
                    column,
                    key: id.to_string(),
                    got,
                };
                let subject: String = row.try_get("subject")?;
                let names: serde_json::Value = row.try_get("names")?;
                let names: Names =
                    serde_json::from_value(names).map_err(|error| stored("names", error.to_string()))?;
                Ok(OpenErasure {
                    id,
                    tenant: tenant.clone(),
                    subject: ErasedSubject::from_name(&subject).ok_or_else(|| stored("subject", subject))?,
                    user: names.user,
                    session: names.session,
                    evident: names.sessions,
                    hot_is_left: names.hot_is_left,
                    erased_at: row.try_get("erased_at")?,
                    asked_at: row.try_get("asked_at")?,
                    purged_at: row.try_get("purged_at")?,
                })
            })
            .collect()
    }

    /// Deletes at most so many rows of each kind that hang off the sessions of an erasure. Several may do so at once, and each
    /// may end in the middle.
    pub async fn purge_erased(&self, tenant: &TenantId, erasure: Uuid, most: u32) -> Result<Purged, Error> {
        until_alone(|| self.purge_erased_once(tenant, erasure, most)).await
    }

    async fn purge_erased_once(&self, tenant: &TenantId, erasure: Uuid, most: u32) -> Result<Purged, Error> {
        let transaction = self.transaction(tenant).await?;
        let (list, passages, index, evidence, events, mark) = try_join!(
            transaction.prepare(include_str!("../../queries/list_sessions_to_purge.sql")),
            transaction.prepare(include_str!("../../queries/purge_event_passages.sql")),
            transaction.prepare(include_str!("../../queries/purge_event_index.sql")),
            transaction.prepare(include_str!("../../queries/purge_evidence.sql")),
            transaction.prepare(include_str!("../../queries/purge_events.sql")),
            transaction.prepare(include_str!("../../queries/mark_purged.sql")),
        )?;
        let listed: [&(dyn ToSql + Sync); 2] = [&erasure, &SESSIONS_AT_ONCE];
        let ((), rows) = try_join!(transaction.begin(), transaction.query(&list, &listed))?;
        let sessions: Vec<Uuid> =
            rows.iter().map(|row| row.try_get("session_id")).collect::<Result<_, _>>()?;
        let most = i64::from(most);
        let bounded: [&(dyn ToSql + Sync); 2] = [&sessions, &most];
        let marked: [&(dyn ToSql + Sync); 2] = [&erasure, &sessions];
        let (passages, indexed, evidence, events, marked, ()) = try_join!(
            transaction.execute(&passages, &bounded),
            transaction.execute(&index, &bounded),
            transaction.execute(&evidence, &bounded),
            transaction.execute(&events, &bounded),
            transaction.query(&mark, &marked),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Purged { rows: passages + indexed + evidence + events, is_done: !marked.is_empty() })
    }

    /// Whether every transaction has ended that had begun when an erasure did, and no row of an adopted table that was there by then
    /// waits to be read, so that [`Store::look_again`] is the last look.
    pub async fn is_erasure_alone(&self, tenant: &TenantId, erasure: Uuid) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let ask = transaction.prepare(include_str!("../../queries/is_erasure_alone.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&erasure];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&ask, &values), transaction.commit())?;
        transaction.end();
        Ok(rows.first().map(|row| row.try_get("is_alone")).transpose()?.unwrap_or(true))
    }

    /// Erases what transactions that had begun before the erasure have written since, and answers how many rows of each layer
    /// that was. What belongs to a new life of the user stays.
    pub async fn look_again(&self, erasure: &OpenErasure) -> Result<Counts, Error> {
        until_alone(|| Box::pin(self.look_again_once(erasure))).await
    }

    async fn look_again_once(&self, erasure: &OpenErasure) -> Result<Counts, Error> {
        if erasure.subject == ErasedSubject::Memory {
            return Ok(Counts::default());
        }
        let whose = erasure.whose();
        let transaction = self.transaction(&erasure.tenant).await?;
        let looks = Looks::prepare(&transaction).await?;
        let deletes = Deletes::prepare(&transaction).await?;
        let (begin, add) = try_join!(
            transaction.prepare(include_str!("../../queries/begin_erasure.sql")),
            transaction.prepare(include_str!("../../queries/add_erased_sessions.sql")),
        )?;
        let (tenant, user) = (whose.tenant.as_str(), whose.user.as_str());
        let users: [&(dyn ToSql + Sync); 2] = [&tenant, &user];
        let locks: [&(dyn ToSql + Sync); 4] = [&tenant, &user, &erasure.session, &whose.by];
        let ((), _locked, sessions) = try_join!(
            transaction.begin(),
            transaction.query(&begin, &users),
            transaction.query(&looks.lock_sessions, &locks),
        )?;
        let touched = Touched::of_sessions(&transaction, &looks, whose, &sessions).await?;
        let session_ids = touched.session_ids();
        let counts = if session_ids.is_empty() && touched.memories.is_empty() {
            Counts::default()
        } else {
            touched.count(&transaction, &looks, Whose { is_whole: false, ..whose }).await?
        };
        let (layers, rows) = counts.columns();
        let values: [&(dyn ToSql + Sync); 5] = [&erasure.id, &tenant, &layers, &rows, &session_ids];
        try_join!(
            deletes.delete(&transaction, whose, &touched),
            transaction.execute(&add, &values),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(counts)
    }

    /// The sessions that went with an erasure: their identifiers are part of hot items and of messages.
    pub async fn gone_sessions(&self, tenant: &TenantId, erasure: Uuid) -> Result<Vec<SessionId>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_gone_sessions.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&erasure];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(|row| Ok(SessionId(row.try_get("session_id")?))).collect()
    }

    /// Adds to the receipt what went of hot state, and notes that nothing of it is left there.
    pub async fn count_erased(&self, tenant: &TenantId, erasure: Uuid, counts: &Counts) -> Result<(), Error> {
        let transaction = self.transaction(tenant).await?;
        let add = transaction.prepare(include_str!("../../queries/count_erased.sql")).await?;
        let (layers, rows) = counts.columns();
        let values: [&(dyn ToSql + Sync); 3] = [&erasure, &layers, &rows];
        try_join!(transaction.begin(), transaction.execute(&add, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }

    /// Looks for rows that are left of an erasure, and when there is none, completes it: what it took to find them goes.
    /// Answers what is left; one that was asked for again since it was read has that as a layer of its own.
    pub async fn complete_erasure(&self, erasure: &OpenErasure) -> Result<Counts, Error> {
        until_alone(|| self.complete_erasure_once(erasure)).await
    }

    async fn complete_erasure_once(&self, erasure: &OpenErasure) -> Result<Counts, Error> {
        let whose = erasure.whose();
        let transaction = self.transaction(&erasure.tenant).await?;
        let (lock, count, complete) = try_join!(
            transaction.prepare(include_str!("../../queries/lock_erasure.sql")),
            transaction.prepare(include_str!("../../queries/count_left.sql")),
            transaction.prepare(include_str!("../../queries/complete_erasure.sql")),
        )?;
        let tenant = whose.tenant.as_str();
        let values: [&(dyn ToSql + Sync); 6] = [
            &tenant,
            &whose.whole_user(),
            &erasure.session,
            &whose.user.as_str(),
            &erasure.erased_at,
            &erasure.id,
        ];
        let completed: [&(dyn ToSql + Sync); 1] = [&erasure.id];
        let ((), locked, rows) = try_join!(
            transaction.begin(),
            transaction.query(&lock, &completed),
            transaction.query(&count, &values),
        )?;
        let mut left = Counts::of_rows(&rows)?;
        if let Some(row) = locked.first()
            && row.try_get("is_open")?
            && row.try_get::<_, Timestamp>("erased_at")? != erasure.erased_at
        {
            left.add(ASKED_AGAIN, 1);
        }
        if !left.is_nothing() {
            return transaction.leave(left).await;
        }
        try_join!(transaction.execute(&complete, &completed), transaction.commit())?;
        transaction.end();
        Ok(left)
    }
}
