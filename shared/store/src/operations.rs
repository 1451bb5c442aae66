//! What an application has begun: written down before it is done, so that it is known after a crash.

use std::time::Duration;

use domain::SessionId;
use futures::{join, try_join};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::once::Requests;
use crate::sessions::OpenSession;
use crate::{Error, InSession, Once, RequestKey, SessionPath, Store};

/// An operation that is about to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewOperation<'a> {
    /// What is done: 1 to 200 bytes without NUL.
    pub name: &'a str,
    /// With what; without NUL in its texts.
    pub input: &'a Value,
    /// Names it within its session: the same key again is the same operation. 1 to 255 bytes without NUL.
    pub key: Option<&'a str>,
    /// How long nobody else begins the same, unless it ends before.
    pub lease: Duration,
}

/// An operation as it stands. Kept in answers to request keys, so its form only grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Goes up by one within the session, in the order of beginning.
    pub id: i64,
    /// What is done.
    pub name: String,
    /// With what.
    pub input: Value,
    /// The application's own name for it.
    pub key: Option<String>,
    /// `pending`, `completed` or `failed`.
    pub status: String,
    /// Which try it is, from 1.
    pub attempt: i32,
    /// Until when nobody else begins the same.
    pub lease_until: Timestamp,
    /// What it came to, when it is completed.
    pub result: Option<Value>,
    /// Why it failed, when it did.
    pub error: Option<String>,
    /// When it was begun first.
    pub begun_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How beginning ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// It is the caller's to do: new, or again after it failed or its lease ended.
    Begun(Operation),
    /// It is done, or somebody is doing it.
    Known(Operation),
    /// The key belongs to another one.
    KeyTaken(Operation),
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OperationEnd<'a> {
    /// It was done; this came of it, without NUL in its texts.
    Completed(&'a Value),
    /// It was not done, for this reason of at most 4,096 bytes without NUL. It may be begun again.
    Failed(&'a str),
}

/// How ending ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// So it stands: now, or since the same was said before.
    Ended(Operation),
    /// Something else was said before, or a later try has begun.
    Otherwise(Operation),
}

impl Store {
    /// Writes down that an operation is about to be done, in two round trips; a session that is new is made, which takes more.
    /// The kept answer is an [`InSession`] of [`Beginning`].
    ///
    /// Of all who begin the same by its key, one is told that it is theirs. Everybody else is told how it stands, until it
    /// fails or its lease ends: then it is the next one's.
    pub async fn begin_operation(
        &self,
        path: SessionPath<'_>,
        new: &NewOperation<'_>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Beginning>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let (requests, sessions, insert, again, find) = try_join!(
            Requests::prepare(&transaction),
            OpenSession::prepare(&transaction),
            transaction.prepare(include_str!("../queries/insert_operation.sql")),
            transaction.prepare(include_str!("../queries/begin_operation_again.sql")),
            transaction.prepare(include_str!("../queries/find_operation.sql")),
        )?;
        let (tenant, user, seconds) = (path.tenant.as_str(), path.user.as_str(), new.lease.as_secs_f64());
        let values: [&(dyn ToSql + Sync); 7] =
            [&tenant, &user, &path.session, &new.name, &new.input, &new.key, &seconds];
        let key: [&(dyn ToSql + Sync); 5] = [&tenant, &user, &path.session, &None::<i64>, &new.key];
        // Begun again before it is inserted, so that a new one is not begun twice.
        let begin = async || {
            try_join!(
                transaction.query(&again, &values),
                transaction.query(&insert, &values),
                transaction.query(&find, &key),
            )
        };
        let (begun, claimed, opened, rows) = join!(
            transaction.begin(),
            requests.claim(&transaction, path.tenant, path.user, request),
            sessions.lock(&transaction, path),
            begin()
        );
        begun?;
        if let Some(answer) = claimed?.made_before() {
            return transaction.leave(answer).await;
        }
        let mut rows = rows?;
        let opened = if let Some(opened) = opened? {
            opened
        } else {
            let opened = sessions.make(&transaction, path).await?;
            rows = begin().await?;
            opened
        };
        let (again, inserted, known) = rows;
        let answer = if let Some(begun) = again.first().or(inserted.first()) {
            Beginning::Begun(operation(begun)?)
        } else {
            let known = there(&known)?;
            if known.name != new.name || known.input != *new.input {
                return transaction.leave(Once::Done(Beginning::KeyTaken(known))).await;
            }
            Beginning::Known(known)
        };
        let kept = InSession { session: opened.id, answer };
        try_join!(
            requests.answer(&transaction, path.tenant, path.user, request, &kept),
            transaction.commit()
        )?;
        transaction.end();
        Ok(Once::Done(kept.answer))
    }

    /// Says what became of an operation, in one round trip, or two with a `request`. `attempt` is the try that is spoken of:
    /// without it, whichever it is. None when there is no such operation. The kept answer is an [`InSession`] of the
    /// [`Operation`] that ended.
    pub async fn end_operation(
        &self,
        path: SessionPath<'_>,
        id: i64,
        attempt: Option<i32>,
        end: OperationEnd<'_>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Option<Ending>>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let (requests, write, find) = try_join!(
            Requests::prepare(&transaction),
            transaction.prepare(include_str!("../queries/end_operation.sql")),
            transaction.prepare(include_str!("../queries/find_operation.sql")),
        )?;
        let (status, result, error) = match end {
            OperationEnd::Completed(result) => ("completed", Some(result), None),
            OperationEnd::Failed(error) => ("failed", None, Some(error)),
        };
        let (tenant, user) = (path.tenant.as_str(), path.user.as_str());
        let values: [&(dyn ToSql + Sync); 8] =
            [&tenant, &user, &path.session, &id, &attempt, &status, &result, &error];
        let by_id: [&(dyn ToSql + Sync); 5] = [&tenant, &user, &path.session, &id, &None::<&str>];
        let ((), claimed, ended, found, ()) = try_join!(
            transaction.begin(),
            requests.claim(&transaction, path.tenant, path.user, request),
            transaction.query(&write, &values),
            transaction.query(&find, &by_id),
            async { if request.is_none() { transaction.commit().await } else { Ok(()) } },
        )?;
        if let Some(answer) = claimed.made_before() {
            return transaction.leave(answer).await;
        }
        let session: Option<Uuid> = found.first().map(|row| row.try_get("session_id")).transpose()?;
        let ending = found.first().map(operation).transpose()?.map(|found| {
            let is_same = found.status == status
                && found.result.as_ref() == result
                && found.error.as_deref() == error
                && attempt.is_none_or(|attempt| attempt == found.attempt);
            if is_same || !ended.is_empty() { Ending::Ended(found) } else { Ending::Otherwise(found) }
        });
        if request.is_none() {
            transaction.end();
            return Ok(Once::Done(ending));
        }
        let (Some(Ending::Ended(operation)), Some(session)) = (&ending, session) else {
            return transaction.leave(Once::Done(ending)).await;
        };
        let kept = InSession { session: SessionId(session), answer: operation };
        try_join!(
            requests.answer(&transaction, path.tenant, path.user, request, &kept),
            transaction.commit()
        )?;
        transaction.end();
        Ok(Once::Done(ending))
    }

    /// An operation; none when there is no such.
    pub async fn operation(&self, path: SessionPath<'_>, id: i64) -> Result<Option<Operation>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let find = transaction.prepare(include_str!("../queries/find_operation.sql")).await?;
        let values: [&(dyn ToSql + Sync); 5] =
            [&path.tenant.as_str(), &path.user.as_str(), &path.session, &id, &None::<&str>];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        rows.first().map(operation).transpose()
    }

    /// The operations of a session after one, in the order of their beginning. None when the user has no such session.
    pub async fn operations(
        &self,
        path: SessionPath<'_>,
        after: i64,
        limit: u16,
        status: Option<&str>,
    ) -> Result<Option<Vec<Operation>>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_operations.sql")).await?;
        let values: [&(dyn ToSql + Sync); 6] =
            [&path.tenant.as_str(), &path.user.as_str(), &path.session, &after, &i64::from(limit), &status];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        if rows.is_empty() {
            return Ok(None);
        }
        let mut operations = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<_, Option<i64>>("id")?.is_some() {
                operations.push(operation(row)?);
            }
        }
        Ok(Some(operations))
    }
}

/// The operation that was in the way of inserting one.
fn there(rows: &[Row]) -> Result<Operation, Error> {
    operation(rows.first().expect("an operation that was not inserted is there by its key"))
}

fn operation(row: &Row) -> Result<Operation, Error> {
    Ok(Operation {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        input: row.try_get("input")?,
        key: row.try_get("key")?,
        status: row.try_get("status")?,
        attempt: row.try_get("attempt")?,
        lease_until: row.try_get("lease_until")?,
        result: row.try_get("result")?,
        error: row.try_get("error")?,
        begun_at: row.try_get("begun_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}
