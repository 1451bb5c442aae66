//! How what an application does to a memory is written down: an observation in a session, and a run over that one event.

use domain::{APPLICATION, Event, EventKind, MemoryId, OWN_PAYLOAD, TenantId, UserId, Window};
use futures::try_join;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::{Changed, MemoryChange};
use crate::append::{Appends, NewEvent};
use crate::connect::Transaction;
use crate::once::Requests;
use crate::{Error, Once, RequestKey, Run};

/// The session that takes what an application does to a user's memories, where it names none.
const OWN_SESSION: &str = "memories";
/// By which rules an application's memories are made.
const RULES: &str = "application/1";

/// A memory as it is before it is locked.
pub(super) struct Found {
    /// The name of its own session, when it belongs to one alone.
    session: Option<String>,
    pub(super) scope: String,
    pub(super) status: String,
    pub(super) version: i64,
    pub(super) valid_to: Option<Timestamp>,
    /// Whether another one took its place.
    pub(super) is_replaced: bool,
    /// When the transaction began, by the database's clock.
    pub(super) at: Timestamp,
}

impl Found {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            session: row.try_get("session")?,
            scope: row.try_get("scope")?,
            status: row.try_get("status")?,
            version: row.try_get("version")?,
            valid_to: row.try_get("valid_to")?,
            is_replaced: row.try_get("is_replaced")?,
            at: row.try_get("at")?,
        })
    }

    /// The session in which a change of the memory is written down: its own when it is of session scope.
    pub(super) fn session(&self) -> &str {
        self.session.as_deref().filter(|_| self.scope == "session").unwrap_or(OWN_SESSION)
    }

    /// Why the memory cannot be changed, whatever the change.
    pub(super) fn refuses<T>(&self) -> Option<Changed<T>> {
        match (self.scope.as_str(), self.status.as_str()) {
            ("global", _) => Some(Changed::Everybodys),
            (_, "pending_review") => Some(Changed::Waits),
            _ => None,
        }
    }
}

/// The session of what is remembered: the one named, or the one for what names none.
pub(super) fn session_or_own(session: Option<&str>) -> &str {
    session.unwrap_or(OWN_SESSION)
}

/// What an application did, as an event.
pub(super) fn observation(operation: &str, mut details: Value) -> NewEvent {
    if let Value::Object(fields) = &mut details {
        fields.insert("operation".to_owned(), operation.into());
    }
    NewEvent { payload: json!({ OWN_PAYLOAD: details }), ..NewEvent::new(EventKind::Observation) }
}

/// What an application did to a memory, as an event.
pub(super) fn observation_of(operation: &str, memory: MemoryId) -> NewEvent {
    observation(operation, json!({ "memory": memory }))
}

/// Appends an event, and answers the window and the run that it is written down as.
pub(super) async fn append(
    transaction: &Transaction,
    appends: &Appends,
    (tenant, user, session): (&TenantId, &UserId, &str),
    event: NewEvent,
    at: Timestamp,
) -> Result<(Window, Run), Error> {
    let events = [event];
    let appended = appends.append(transaction, tenant, user, session, &events).await?.answer;
    let version = appended.head;
    let [event] = events;
    let name = format!("{}\u{0}{version}\u{0}{APPLICATION}", appended.session);
    let run = Run {
        // One event is one run, whoever asks again.
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
        agent: APPLICATION,
        model: RULES.to_owned(),
        first_sent_at: at,
        started_at: at,
        ..Run::default()
    };
    let event = Event {
        version,
        kind: event.kind,
        role: String::new(),
        speaker: None,
        content: String::new(),
        payload: event.payload,
        occurred_at: at,
        created_at: at,
    };
    let window = Window {
        tenant: tenant.clone(),
        user: user.clone(),
        session: appended.session,
        session_name: session.to_owned(),
        after: version - 1,
        generation: 0,
        head: version,
        events: vec![event],
    };
    Ok((window, run))
}

/// The statements that find and lock a memory.
pub(super) struct Locks {
    find: Statement,
    lock: Statement,
    lock_holder: Statement,
    find_holder: Statement,
    sessions: Statement,
}

/// How many sessions with evidence of a memory are told that it changed, those active last.
const MOST_SESSIONS: i64 = 20;

impl Locks {
    pub(super) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (find, lock, lock_holder, find_holder, sessions) = try_join!(
            transaction.prepare(include_str!("../../queries/find_memory_to_change.sql")),
            transaction.prepare(include_str!("../../queries/lock_memory.sql")),
            transaction.prepare(include_str!("../../queries/lock_holder.sql")),
            transaction.prepare(include_str!("../../queries/find_holder.sql")),
            transaction.prepare(include_str!("../../queries/list_memory_sessions.sql")),
        )?;
        Ok(Self { find, lock, lock_holder, find_holder, sessions })
    }

    pub(super) async fn find(
        &self,
        transaction: &Transaction,
        tenant: &TenantId,
        user: &UserId,
        memory: MemoryId,
    ) -> Result<Option<Found>, Error> {
        let values: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &user.as_str(), &memory.0];
        transaction.query(&self.find, &values).await?.first().map(Found::read).transpose()
    }

    /// The memory and what holds in its place, which may be itself, both locked, and the sessions that may show it.
    pub(super) async fn lock(&self, transaction: &Transaction, memory: MemoryId) -> Result<Locked, Error> {
        let value: [&(dyn ToSql + Sync); 1] = [&memory.0];
        let (own, mut holder, sessions) = try_join!(
            transaction.query(&self.lock, &value),
            transaction.query(&self.lock_holder, &value),
            async { transaction.query(&self.sessions, &[&memory.0, &MOST_SESSIONS]).await },
        )?;
        // What held when the lock was asked for may have been replaced while it was waited for: then another one holds now.
        while holder.is_empty() && !transaction.query(&self.find_holder, &value).await?.is_empty() {
            holder = transaction.query(&self.lock_holder, &value).await?;
        }
        let sessions = sessions.iter().map(|row| row.try_get::<_, Uuid>("session"));
        Ok(Locked {
            own: own.into_iter().next(),
            holder: holder.into_iter().next(),
            sessions: sessions.map(|id| id.map(domain::SessionId)).collect::<Result<_, _>>()?,
        })
    }
}

/// A memory that is locked.
pub(super) struct Locked {
    /// As it is now; `None` when it has been erased meanwhile.
    pub(super) own: Option<Row>,
    /// What holds in its place.
    pub(super) holder: Option<Row>,
    /// The sessions whose hot contexts may show it.
    pub(super) sessions: Vec<domain::SessionId>,
}

impl Locked {
    /// What holds in its place, by its identifier.
    pub(super) fn holder_id(&self) -> Result<Option<MemoryId>, Error> {
        let id = self.holder.as_ref().map(|row| row.try_get::<_, Uuid>("id")).transpose()?;
        Ok(id.map(MemoryId))
    }
}

/// Keeps the answer to a request that comes to nothing, and nothing of what was done since the transaction was marked.
pub(super) async fn come_to_nothing(
    transaction: Transaction,
    requests: &Requests,
    (tenant, user): (&TenantId, &UserId),
    request: Option<&RequestKey>,
    answer: MemoryChange,
) -> Result<Once<Changed<MemoryChange>>, Error> {
    try_join!(
        transaction.undo(),
        requests.answer(&transaction, tenant, user, request, &answer),
        transaction.commit(),
    )?;
    transaction.end();
    Ok(Once::Done(Changed::Done(answer)))
}
