//! Sessions as an application sees them, and their logs.

use domain::{Event, SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::connect::Transaction;
use crate::once::Requests;
use crate::{Error, InSession, Once, RequestKey, Store, row};

/// So many bytes of events are read at once; a single event may have more.
const MOST_PAGE_BYTES: i64 = 2 * 1024 * 1024;

/// A session by its name, as an application gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPath<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The user.
    pub user: &'a UserId,
    /// The name, 1 to 200 bytes without control characters.
    pub session: &'a str,
}

/// A session. Kept in answers to request keys, so its form only grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// Its name.
    pub name: String,
    /// `active`, `paused`, `completed` or `failed`: what the application says, which changes nothing else.
    pub status: String,
    /// Its last version, 0 when it has no events.
    pub head: i64,
    /// Up to which version what was said is in the archive, 0 for nothing.
    pub archived_through: i64,
    /// An object of the application's.
    pub metadata: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the database accepted its last event; the beginning of 1970 when it has none.
    pub last_event_at: Timestamp,
}

/// Which of a user's sessions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SessionFilter<'a> {
    /// Only those with this status.
    pub status: Option<&'a str>,
    /// Only those after this one in the order of the list: when it was made, and its identifier.
    pub after: Option<(Timestamp, SessionId)>,
}

/// Part of a session's log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The session's last version.
    pub head: i64,
    /// The events, oldest first.
    pub events: Vec<LoggedEvent>,
    /// Whether there are more of them.
    pub more: bool,
}

/// An event with what only the log is concerned with.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// The event.
    pub event: Event,
    /// The schema of its payload.
    pub schema_version: i16,
    /// The application's own name for it.
    pub idempotency_key: Option<String>,
}

impl Store {
    /// At most `limit` sessions of a user, the newest first.
    pub async fn sessions(
        &self,
        tenant: &TenantId,
        user: &UserId,
        filter: &SessionFilter<'_>,
        limit: u16,
    ) -> Result<Vec<Session>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_sessions.sql")).await?;
        let (made, id) = filter.after.map(|(made, id)| (made, id.0)).unzip();
        let values: [&(dyn ToSql + Sync); 6] =
            [&tenant.as_str(), &user.as_str(), &made, &id, &i64::from(limit), &filter.status];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(session).collect()
    }

    /// A session; none when the user has none of this name.
    pub async fn session(&self, path: SessionPath<'_>) -> Result<Option<Session>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let find = transaction.prepare(include_str!("../queries/find_session.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&path.tenant.as_str(), &path.user.as_str(), &path.session];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        rows.first().map(session).transpose()
    }

    /// Gives a session another status, and the metadata that `change` makes of what it has. `change` fails with whatever the
    /// caller wants to be told; then nothing changes. None when the user has no such session. The kept answer is an
    /// [`InSession`] of [`Session`].
    pub async fn update_session<E>(
        &self,
        path: SessionPath<'_>,
        status: Option<&str>,
        change: impl FnOnce(Value) -> Result<Value, E>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Option<Result<Session, E>>>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let (requests, lock, find, update) = try_join!(
            Requests::prepare(&transaction),
            transaction.prepare(include_str!("../queries/lock_session.sql")),
            transaction.prepare(include_str!("../queries/find_session.sql")),
            transaction.prepare(include_str!("../queries/update_session.sql")),
        )?;
        let values: [&(dyn ToSql + Sync); 3] = [&path.tenant.as_str(), &path.user.as_str(), &path.session];
        // In this order, so that whatever the lock waited for is seen.
        let ((), claimed, _locked, found) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, path.tenant, path.user, request),
            transaction.query(&lock, &values),
            transaction.query(&find, &values),
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        let Some(found) = found.first().map(session).transpose()? else {
            return transaction.leave(Once::Done(None)).await;
        };
        let metadata = match change(found.metadata.clone()) {
            Ok(metadata) => metadata,
            Err(refused) => return transaction.leave(Once::Done(Some(Err(refused)))).await,
        };
        let status = status.unwrap_or(&found.status).to_owned();
        let changed = Session { status, metadata, ..found };
        let kept = InSession { session: changed.id, answer: changed };
        let changed = &kept.answer;
        let values: [&(dyn ToSql + Sync); 3] = [&changed.id.0, &changed.status, &changed.metadata];
        try_join!(
            transaction.execute(&update, &values),
            requests.answer(&transaction, path.tenant, path.user, request, &kept),
            transaction.commit()
        )?;
        transaction.end();
        Ok(Once::Done(Some(Ok(kept.answer))))
    }

    /// The events of a session after a version, of one type or of all: at most `limit`, and 2 MiB of them unless a single one
    /// has more. None when the user has no such session.
    pub async fn session_events(
        &self,
        path: SessionPath<'_>,
        after: i64,
        limit: u16,
        event_type: Option<&str>,
    ) -> Result<Option<EventPage>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_session_events.sql")).await?;
        // One more than asked for, which says whether there are more.
        let values: [&(dyn ToSql + Sync); 7] = [
            &path.tenant.as_str(),
            &path.user.as_str(),
            &path.session,
            &after,
            &(i64::from(limit) + 1),
            &MOST_PAGE_BYTES,
            &event_type,
        ];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        let Some(first) = rows.first() else { return Ok(None) };
        let head = first.try_get("head_version")?;
        let Some(found) = first.try_get::<_, Option<i64>>("found")? else {
            return Ok(Some(EventPage { head, events: Vec::new(), more: false }));
        };
        let session = SessionId(first.try_get("session_id")?);
        let rows = rows.get(..usize::from(limit).min(rows.len())).unwrap_or_default();
        let mut words = self.words_of(path.tenant, session, rows).await?;
        let events = rows
            .iter()
            .map(|row| {
                let mut event = row::event(row)?;
                words.fill(session, &mut event);
                Ok(LoggedEvent {
                    event,
                    schema_version: row.try_get("schema_version")?,
                    idempotency_key: row.try_get("idempotency_key")?,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let more = usize::try_from(found).is_ok_and(|found| found > events.len());
        Ok(Some(EventPage { head, events, more }))
    }
}

/// What it takes to lock a session and to make it when it is new.
pub(crate) struct OpenSession {
    lock: Statement,
    insert: Statement,
}

/// A session that is locked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    pub(crate) id: SessionId,
    pub(crate) head: i64,
}

impl OpenSession {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (lock, insert) = try_join!(
            transaction.prepare(include_str!("../queries/lock_session.sql")),
            transaction.prepare(include_str!("../queries/insert_session.sql")),
        )?;
        Ok(Self { lock, insert })
    }

    /// Locks the session, if it is there, until the transaction ends.
    pub(crate) async fn lock(
        &self,
        transaction: &Transaction,
        path: SessionPath<'_>,
    ) -> Result<Option<Opened>, Error> {
        let values: [&(dyn ToSql + Sync); 3] = [&path.tenant.as_str(), &path.user.as_str(), &path.session];
        let rows = transaction.query(&self.lock, &values).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id: Uuid = row.try_get("id")?;
        Ok(Some(Opened { id: SessionId(id), head: row.try_get("head_version")? }))
    }

    /// Makes the session unless it is there, and locks it.
    pub(crate) async fn make(
        &self,
        transaction: &Transaction,
        path: SessionPath<'_>,
    ) -> Result<Opened, Error> {
        let values: [&(dyn ToSql + Sync); 3] = [&path.tenant.as_str(), &path.user.as_str(), &path.session];
        let (_made, opened) =
            try_join!(transaction.execute(&self.insert, &values), self.lock(transaction, path))?;
        Ok(opened.expect("it was made, and nobody takes a session away"))
    }
}

fn session(row: &Row) -> Result<Session, Error> {
    let id: Uuid = row.try_get("id")?;
    Ok(Session {
        id: SessionId(id),
        name: row.try_get("session")?,
        status: row.try_get("status")?,
        head: row.try_get("head_version")?,
        archived_through: row.try_get("archived_through")?,
        metadata: row.try_get("metadata")?,
        created_at: row.try_get("created_at")?,
        last_event_at: row.try_get("last_event_at")?,
    })
}
