//! Events that an application appends to a session over the API.

mod event;

use std::collections::HashMap;

use domain::{SessionId, TenantId, UserId};
use futures::{join, try_join};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::connect::Transaction;
use crate::once::Requests;
use crate::{Error, Once, RequestKey, Store};

pub use self::event::{InvalidEvent, NewEvent};

/// What was appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The session.
    pub session: SessionId,
    /// The version of each event, in the order they were given. The repeat of an idempotency key has the version it had.
    pub versions: Vec<i64>,
    /// The session's last version now.
    pub head: i64,
}

/// How appending ended. Unless it is [`Appending::Appended`], nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appending {
    /// All of the events are in the log.
    Appended(Appended),
    /// The session is not where the application believed it to be, but here.
    Stale {
        /// Its last version.
        head: i64,
    },
    /// The idempotency key of this event, counted from 0, belongs to another one.
    KeyTaken {
        /// The event.
        event: usize,
    },
}

impl Store {
    /// Appends events to a session in one transaction, all or none, and makes the session when it is new.
    ///
    /// One round trip; two with a `request` or an `expected_head`. The head is compared under the session's lock; when
    /// every event is the repeat of an idempotency key, nothing is appended and the head does not matter. The events are
    /// to be [`checked`](NewEvent::check) before.
    ///
    /// # Panics
    /// When there are no events.
    pub async fn append_events(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: &str,
        events: &[NewEvent],
        expected_head: Option<i64>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Appending>, Error> {
        if let Some(event) = repeats_otherwise(events) {
            return Ok(Once::Done(Appending::KeyTaken { event }));
        }
        let transaction = self.transaction(tenant).await?;
        let (requests, appends) = try_join!(Requests::prepare(&transaction), Appends::prepare(&transaction))?;
        let append = appends.append(&transaction, tenant, user, session, events);
        if expected_head.is_none() && request.is_none() {
            let (begun, appended, committed) = join!(transaction.begin(), append, transaction.commit());
            begun?;
            // Whatever Postgres refused, its answer to the commit leaves the connection fit for use.
            committed?;
            transaction.end();
            return match appended {
                Err(error) if is_taken_key(&error) => {
                    self.taken_key(tenant, user, session, events, error).await
                }
                other => Ok(Once::Done(Appending::Appended(other?.answer))),
            };
        }

        let claim = requests.claim(&transaction, tenant, user, request);
        let (begun, claimed, appended) = join!(transaction.begin(), claim, append);
        begun?;
        if let Some(answer) = claimed?.made_before() {
            return transaction.leave(answer).await;
        }
        let appended = match appended {
            Err(error) if is_taken_key(&error) => {
                transaction.leave(()).await?;
                return self.taken_key(tenant, user, session, events, error).await;
            }
            other => other?,
        };
        if let Some(expected) = expected_head
            && appended.added > 0
            && appended.head_before() != expected
        {
            let head = appended.head_before();
            return transaction.leave(Once::Done(Appending::Stale { head })).await;
        }
        try_join!(
            requests.answer(&transaction, tenant, user, request, &appended.answer),
            transaction.commit()
        )?;
        transaction.end();
        Ok(Once::Done(Appending::Appended(appended.answer)))
    }

    /// Says which event it was whose key the session knows for something else.
    async fn taken_key(
        &self,
        tenant: &TenantId,
        user: &UserId,
        session: &str,
        events: &[NewEvent],
        error: Error,
    ) -> Result<Once<Appending>, Error> {
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../queries/find_taken_key.sql")).await?;
        let columns = Columns::of(events);
        let values: [&(dyn ToSql + Sync); 9] = [
            &tenant.as_str(),
            &user.as_str(),
            &session,
            &columns.kinds,
            &columns.roles,
            &columns.contents,
            &columns.payloads,
            &columns.keys,
            &columns.speakers,
        ];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        let Some(row) = rows.first() else { return Err(error) };
        let position: i64 = row.try_get("position")?;
        let event = usize::try_from(position - 1).expect("positions count from 1");
        Ok(Once::Done(Appending::KeyTaken { event }))
    }
}

/// The first event whose key an earlier one of the batch has for something else.
fn repeats_otherwise(events: &[NewEvent]) -> Option<usize> {
    let mut first = HashMap::new();
    events.iter().position(|event| {
        let Some(key) = &event.idempotency_key else { return false };
        !first.entry(key).or_insert(event).is_same(event)
    })
}

fn is_taken_key(error: &Error) -> bool {
    let Error::Postgres(error) = error else { return false };
    error.as_db_error().is_some_and(|error| error.column() == Some("idempotency_key"))
}

/// What appending to a session takes, prepared before the transaction begins.
pub(crate) struct Appends {
    insert: Statement,
    versions: Statement,
}

/// What was appended within a transaction that is not committed yet. The session stays locked until it is.
#[derive(Debug)]
pub(crate) struct AppendedNow {
    /// Which versions the events have.
    pub(crate) answer: Appended,
    /// How many of them were not there before.
    pub(crate) added: usize,
}

impl AppendedNow {
    /// The session's last version before.
    fn head_before(&self) -> i64 {
        self.answer.head - i64::try_from(self.added).unwrap_or(i64::MAX)
    }
}

impl Appends {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (insert, versions) = try_join!(
            transaction.prepare(include_str!("../queries/insert_events.sql")),
            transaction.prepare(include_str!("../queries/list_event_versions.sql")),
        )?;
        Ok(Self { insert, versions })
    }

    /// Appends at least one event to a session, which is locked from then on; joined after `begin`. An idempotency key that
    /// belongs to another event is an error of Postgres, after which the transaction can only be rolled back.
    pub(crate) async fn append(
        &self,
        transaction: &Transaction,
        tenant: &TenantId,
        user: &UserId,
        session: &str,
        events: &[NewEvent],
    ) -> Result<AppendedNow, Error> {
        let columns = Columns::of(events);
        let values: [&(dyn ToSql + Sync); 11] = [
            &tenant.as_str(),
            &user.as_str(),
            &session,
            &columns.kinds,
            &columns.roles,
            &columns.speakers,
            &columns.contents,
            &columns.payloads,
            &columns.schema_versions,
            &columns.keys,
            &columns.occurred_at,
        ];
        let keys: Vec<&str> = columns.keys.iter().copied().flatten().collect();
        let names: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &user.as_str(), &session, &keys];
        let (added, keyed) = try_join!(transaction.query(&self.insert, &values), async {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            transaction.query(&self.versions, &names).await
        })?;
        appended(events, &added, &keyed)
    }
}

/// Puts together which versions the events have: of those without a key from the rows that were added, which come in their
/// order, and of the others from what the session knows by their keys.
fn appended(events: &[NewEvent], added: &[Row], keyed: &[Row]) -> Result<AppendedNow, Error> {
    let mut by_key: HashMap<&str, i64> = HashMap::with_capacity(keyed.len());
    let mut head = 0;
    for row in keyed {
        by_key.insert(row.try_get("idempotency_key")?, row.try_get("version")?);
        head = row.try_get("head_version")?;
    }
    let mut unkeyed = Vec::with_capacity(added.len());
    for row in added {
        let version: i64 = row.try_get("version")?;
        head = head.max(version);
        if row.try_get::<_, Option<&str>>("idempotency_key")?.is_none() {
            unkeyed.push(version);
        }
    }
    let mut unkeyed = unkeyed.into_iter();
    let versions = events
        .iter()
        .map(|event| match &event.idempotency_key {
            None => unkeyed.next().expect("an event without a key is added"),
            Some(key) => *by_key.get(key.as_str()).expect("an event with a key is there, added or repeated"),
        })
        .collect();
    let session: Uuid = added
        .first()
        .or(keyed.first())
        .expect("there is at least one event, and it is there")
        .try_get("session_id")?;
    let answer = Appended { session: SessionId(session), versions, head };
    Ok(AppendedNow { answer, added: added.len() })
}

/// Events as the arrays that a bulk statement takes.
struct Columns<'a> {
    kinds: Vec<&'static str>,
    roles: Vec<Option<&'a str>>,
    speakers: Vec<Option<&'a str>>,
    contents: Vec<Option<&'a str>>,
    payloads: Vec<&'a Value>,
    schema_versions: Vec<i16>,
    keys: Vec<Option<&'a str>>,
    occurred_at: Vec<Option<Timestamp>>,
}

impl<'a> Columns<'a> {
    fn of(events: &'a [NewEvent]) -> Self {
        Self {
            kinds: events.iter().map(|event| event.kind.as_str()).collect(),
            roles: events.iter().map(|event| event.role.as_deref()).collect(),
            speakers: events.iter().map(|event| event.speaker.as_deref()).collect(),
            contents: events.iter().map(|event| event.content.as_deref()).collect(),
            payloads: events.iter().map(|event| &event.payload).collect(),
            schema_versions: events.iter().map(|event| event.schema_version).collect(),
            keys: events.iter().map(|event| event.idempotency_key.as_deref()).collect(),
            occurred_at: events.iter().map(|event| event.occurred_at).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::EventKind;

    use super::*;

    fn message(content: &str) -> NewEvent {
        NewEvent {
            role: Some("user".into()),
            content: Some(content.into()),
            ..NewEvent::new(EventKind::Message)
        }
    }

    #[test]
    fn a_key_used_twice_in_a_batch_is_for_the_same_thing() {
        let keyed = |content: &str| NewEvent { idempotency_key: Some("k".into()), ..message(content) };
        assert_eq!(repeats_otherwise(&[message("yes"), message("no"), keyed("yes"), keyed("yes")]), None);
        assert_eq!(repeats_otherwise(&[keyed("yes"), message("x"), keyed("no")]), Some(2));
        let by = |speaker: &str| NewEvent { speaker: Some(speaker.into()), ..keyed("yes") };
        assert_eq!(repeats_otherwise(&[by("Ada"), by("Ada"), by("Bob")]), Some(2));
    }
}
