//! Requests that have their effect once, however often they are made.

use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::connect::Transaction;
use crate::{Error, Store};

/// The key an application gave to a request, and what it asks for under it.
///
/// Keys belong to a user of a tenant and live for as long as [`Store::request_key`](crate::Store::request_key) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// As the application gave it, 1 to 255 bytes without NUL.
    pub key: String,
    /// SHA-256 of the operation and everything given with it.
    pub fingerprint: [u8; 32],
}

/// How a request ended that may have been made before.
#[derive(Debug, Clone, PartialEq)]
pub enum Once<T> {
    /// It had its effect now.
    Done(T),
    /// It had its effect before: this was answered.
    Repeated(Value),
    /// Something else was asked under the same key; nothing was done.
    Otherwise,
}

/// An answer that tells of what a session holds, as it is kept for a repeat: when the session is erased, it is found by this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InSession<T> {
    /// The session.
    pub session: SessionId,
    /// What was answered.
    pub answer: T,
}

/// The statements, prepared before the transaction begins.
pub(crate) struct Requests {
    claim: Statement,
    find: Statement,
    answer: Statement,
    /// For how long a key is known, in seconds.
    known_for: f64,
}

/// What claiming a key found.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// The request has its effect now; also when it has no key.
    New,
    /// It had its effect before.
    Repeated(Value),
    /// Its key was given to another request.
    Otherwise,
}

impl Claimed {
    /// What is said of a request that has no effect now.
    pub(crate) fn made_before<T>(self) -> Option<Once<T>> {
        match self {
            Self::New => None,
            Self::Repeated(answer) => Some(Once::Repeated(answer)),
            Self::Otherwise => Some(Once::Otherwise),
        }
    }
}

impl Store {
    /// Whether a user's request key is known, for what was asked under it or for something else: one round trip. Whoever then
    /// makes the request may find it otherwise.
    pub async fn knows_request(
        &self,
        tenant: &TenantId,
        user: &UserId,
        request: &RequestKey,
    ) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let find = transaction.prepare(include_str!("../queries/knows_request.sql")).await?;
        let known_for = transaction.request_key.as_secs_f64();
        let values: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &user.as_str(), &request.key, &known_for];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&find, &values), transaction.commit())?;
        transaction.end();
        Ok(!rows.is_empty())
    }
}

impl Requests {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (claim, find, answer) = try_join!(
            transaction.prepare(include_str!("../queries/claim_request.sql")),
            transaction.prepare(include_str!("../queries/find_request.sql")),
            transaction.prepare(include_str!("../queries/answer_request.sql")),
        )?;
        Ok(Self { claim, find, answer, known_for: transaction.request_key.as_secs_f64() })
    }

    /// Takes the key: joined after `begin` and before every other statement of the transaction, so that those see what
    /// it waited for. Unless it is [`Claimed::New`], the transaction is left with nothing done.
    pub(crate) async fn claim(
        &self,
        transaction: &Transaction,
        tenant: &TenantId,
        user: &UserId,
        request: Option<&RequestKey>,
    ) -> Result<Claimed, Error> {
        let Some(RequestKey { key, fingerprint }) = request else { return Ok(Claimed::New) };
        let (tenant, user, fingerprint) = (tenant.as_str(), user.as_str(), fingerprint.as_slice());
        let claim: [&(dyn ToSql + Sync); 5] = [&tenant, &user, key, &fingerprint, &self.known_for];
        let find: [&(dyn ToSql + Sync); 3] = [&tenant, &user, key];
        let (claimed, found) =
            try_join!(transaction.query(&self.claim, &claim), transaction.query(&self.find, &find))?;
        if !claimed.is_empty() {
            return Ok(Claimed::New);
        }
        let row = found.first().expect("a key that could not be taken is there");
        if row.try_get::<_, &[u8]>("fingerprint")? != fingerprint {
            return Ok(Claimed::Otherwise);
        }
        let answer: Option<Value> = row.try_get("answer")?;
        Ok(Claimed::Repeated(answer.unwrap_or(Value::Null)))
    }

    /// Keeps the answer; joined before `commit`. Does nothing for a request without a key.
    ///
    /// # Panics
    /// When the answer cannot be written as JSON.
    pub(crate) async fn answer(
        &self,
        transaction: &Transaction,
        tenant: &TenantId,
        user: &UserId,
        request: Option<&RequestKey>,
        answer: &(impl Serialize + Sync),
    ) -> Result<(), Error> {
        let Some(RequestKey { key, .. }) = request else { return Ok(()) };
        let (tenant, user) = (tenant.as_str(), user.as_str());
        let answer = serde_json::to_value(answer).expect("an answer holds only texts, numbers and JSON");
        let values: [&(dyn ToSql + Sync); 4] = [&tenant, &user, key, &answer];
        transaction.execute(&self.answer, &values).await?;
        Ok(())
    }
}
