use domain::TenantId;
use futures::try_join;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// What has become of a message to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It waits for its turn, or for another attempt.
    Pending,
    /// The endpoint has it.
    Delivered,
    /// It was set aside, after its last attempt or because it had waited too long: a dead letter.
    Dead,
}

impl DeliveryStatus {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The status of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|status| status.as_str() == name)
    }
}

/// An endpoint that one sender has for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEndpoint {
    /// Where messages are posted to.
    pub url: String,
    /// What signs them, sealed.
    pub secret: Vec<u8>,
    /// The secret before, sealed, while it is valid.
    pub old_secret: Option<Vec<u8>>,
    /// Since when nothing has come through.
    pub failing_since: Option<Timestamp>,
    /// When its owner changed it last.
    pub updated_at: Timestamp,
    /// What has waited longest.
    pub next: Option<WaitingDelivery>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDelivery {
    /// Its place in the endpoint's line.
    pub id: i64,
    /// What names it to the receiver, the same at every attempt.
    pub message: Uuid,
    /// The body, the same at every attempt.
    pub payload: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// One attempt at a message, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The message.
    pub delivery: i64,
    /// When it was made.
    pub at: Timestamp,
    /// What becomes of the message.
    pub status: DeliveryStatus,
    /// The status of the endpoint's answer, if there was one.
    pub answered: Option<u16>,
    /// What went wrong, at most 500 bytes.
    pub error: Option<&'a str>,
    /// What becomes of the endpoint.
    pub endpoint: EndpointEnd,
    /// When the endpoint had been changed last, as the sender read it.
    pub endpoint_as_of: Timestamp,
}

/// What an endpoint turned out to be when an attempt was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// As the sender had read it; and, when the sender keeps it, the message behind this one.
    Unchanged(Option<WaitingDelivery>),
    /// Its owner has changed it meanwhile: its address, its secret, or whether anything is sent.
    Changed,
    /// Another sender's, or gone. Nothing was written down, and that sender sends the message again.
    Lost,
}

/// What becomes of an endpoint after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointEnd {
    /// The sender keeps it until then and goes on.
    Kept(Timestamp),
    /// It is given back, and nothing is sent before then.
    Rests(Timestamp),
    /// It is given back and disabled, for it has answered 410.
    Gone,
    /// It is given back and disabled, for it has failed for too long.
    Failing,
}

/// A message as its sender sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRecord {
    /// Its place in the endpoint's line.
    pub id: i64,
    /// What names it to the receiver.
    pub message: Uuid,
    /// The body.
    pub payload: Value,
    /// What has become of it.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was tried last.
    pub last_attempt_at: Option<Timestamp>,
    /// The status of the last answer, if there was one.
    pub last_status: Option<i16>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When the change was made.
    pub created_at: Timestamp,
}

/// Which messages of an endpoint are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryFilter {
    /// Of this status.
    pub status: Option<DeliveryStatus>,
    /// Before this one in the line.
    pub before: Option<i64>,
}

/// Which messages of an endpoint are sent again: those that match all of the fields that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replay {
    /// Of this status; delivered and dead ones when it is not given.
    pub status: Option<DeliveryStatus>,
    /// Of changes made from then on.
    pub since: Option<Timestamp>,
    /// This one.
    pub message: Option<Uuid>,
}

impl Store {
    /// Takes an endpoint for the sender that `claim` names, or keeps it, and reads the first message that waits; in one round
    /// trip. `None` when it is disabled, not to be asked yet, somebody else's at the moment, or not there.
    pub async fn claim_endpoint(
        &self,
        tenant: &TenantId,
        endpoint: Uuid,
        claim: Uuid,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Option<ClaimedEndpoint>, Error> {
        let values: [&(dyn ToSql + Sync); 4] = [&endpoint, &claim, &now, &until];
        let rows = self.at_once(tenant, include_str!("../../queries/claim_endpoint.sql"), &values).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        Ok(Some(ClaimedEndpoint {
            url: first.try_get("url")?,
            secret: first.try_get("secret")?,
            old_secret: first.try_get("old_secret")?,
            failing_since: first.try_get("failing_since")?,
            updated_at: first.try_get("updated_at")?,
            next: waiting(first)?,
        }))
    }

    /// Writes an attempt down and reads the message behind it, in one round trip: what is sent is what is there at that moment.
    /// An endpoint that was disabled meanwhile is given back.
    pub async fn settle_delivery(
        &self,
        tenant: &TenantId,
        endpoint: Uuid,
        claim: Uuid,
        attempt: &Attempt<'_>,
    ) -> Result<Settled, Error> {
        let (keep, rest, disable) = match attempt.endpoint {
            EndpointEnd::Kept(until) => (Some(until), None, None),
            EndpointEnd::Rests(until) => (None, Some(until), None),
            EndpointEnd::Gone => (None, None, Some("gone")),
            EndpointEnd::Failing => (None, None, Some("failing")),
        };
        let answered = attempt.answered.and_then(|status| i16::try_from(status).ok());
        let values: [&(dyn ToSql + Sync); 11] = [
            &endpoint,
            &claim,
            &attempt.delivery,
            &attempt.status.as_str(),
            &answered,
            &attempt.error,
            &attempt.at,
            &keep,
            &rest,
            &disable,
            &attempt.endpoint_as_of,
        ];
        let rows = self.at_once(tenant, include_str!("../../queries/settle_delivery.sql"), &values).await?;
        let Some(row) = rows.first() else { return Ok(Settled::Lost) };
        Ok(if row.try_get("is_unchanged")? { Settled::Unchanged(waiting(row)?) } else { Settled::Changed })
    }

    /// Gives an endpoint back, in one round trip; unless `anyway`, only when nothing waits for it. False when something does,
    /// or another sender has it.
    pub async fn release_endpoint(
        &self,
        tenant: &TenantId,
        endpoint: Uuid,
        claim: Uuid,
        anyway: bool,
    ) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let release = transaction.prepare(include_str!("../../queries/release_endpoint.sql")).await?;
        let values: [&(dyn ToSql + Sync); 3] = [&endpoint, &claim, &anyway];
        let ((), released, ()) =
            try_join!(transaction.begin(), transaction.execute(&release, &values), transaction.commit())?;
        transaction.end();
        Ok(released > 0)
    }

    /// The messages of an endpoint, the latest first, at most `limit`, in one round trip.
    pub async fn deliveries(
        &self,
        tenant: &TenantId,
        endpoint: Uuid,
        filter: DeliveryFilter,
        limit: u16,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        let status = filter.status.map(DeliveryStatus::as_str);
        let limit = i64::from(limit);
        let values: [&(dyn ToSql + Sync); 4] = [&endpoint, &status, &filter.before, &limit];
        let rows = self.at_once(tenant, include_str!("../../queries/list_deliveries.sql"), &values).await?;
        rows.iter().map(record).collect()
    }

    /// Has messages of an endpoint sent again in their order, each with its attempts counted anew; in one round trip.
    /// Answers how many.
    pub async fn replay_deliveries(
        &self,
        tenant: &TenantId,
        endpoint: Uuid,
        replay: Replay,
    ) -> Result<i64, Error> {
        let status = replay.status.map(DeliveryStatus::as_str);
        let values: [&(dyn ToSql + Sync); 4] = [&endpoint, &status, &replay.since, &replay.message];
        let rows = self.at_once(tenant, include_str!("../../queries/replay_deliveries.sql"), &values).await?;
        Ok(rows.first().map(|row| row.try_get("renewed")).transpose()?.unwrap_or_default())
    }

    /// Puts a message of its own into an endpoint's line, for trying it; in one round trip. `None` when the tenant has no
    /// such endpoint.
    pub async fn send_to_endpoint(
        &self,
        tenant: &TenantId,
        endpoint: Uuid,
        payload: &Value,
    ) -> Result<Option<Uuid>, Error> {
        let insert = "insert into afterthought.webhook_deliveries (endpoint_id, tenant, payload) \
                      select id, tenant, $2 from afterthought.webhook_endpoints where id = $1 returning message_id";
        let rows = self.at_once(tenant, insert, &[&endpoint, payload]).await?;
        Ok(rows.first().map(|row| row.try_get("message_id")).transpose()?)
    }

    /// The endpoints that should have been asked by now: something has waited since `waiting_since` or longer and nobody is
    /// at it. At most 10,000. Any role; the reader's sees no address and no message.
    pub async fn endpoints_waiting(
        &self,
        now: Timestamp,
        waiting_since: Timestamp,
    ) -> Result<Vec<(TenantId, Uuid)>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../../queries/find_endpoints_waiting.sql")).await?;
        let rows = connection.query(&find, &[&now, &waiting_since]).await?;
        rows.iter()
            .map(|row| {
                let id: Uuid = row.try_get("id")?;
                let tenant: String = row.try_get("tenant")?;
                let stored = |got: String| Error::Stored {
                    table: "webhook_endpoints",
                    column: "tenant",
                    key: id.to_string(),
                    got,
                };
                Ok((TenantId::new(&tenant).map_err(|_invalid| stored(tenant.clone()))?, id))
            })
            .collect()
    }

    /// Since when what has waited longest for an endpoint that is enabled does; `None` when nothing waits. For
    /// [`crate::Role::Reader`], over all tenants.
    pub async fn oldest_waiting_delivery(&self) -> Result<Option<Timestamp>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../../queries/find_oldest_waiting.sql")).await?;
        let rows = connection.query(&find, &[]).await?;
        Ok(rows.first().map(|row| row.try_get("since")).transpose()?.flatten())
    }
}

/// The message of a row, which has none when nothing waits.
fn waiting(row: &Row) -> Result<Option<WaitingDelivery>, Error> {
    let Some(id) = row.try_get("id")? else { return Ok(None) };
    let attempts: i32 = row.try_get("attempts")?;
    Ok(Some(WaitingDelivery {
        id,
        message: row.try_get("message_id")?,
        payload: row.try_get("payload")?,
        attempts: u32::try_from(attempts).unwrap_or_default(),
    }))
}

fn record(row: &Row) -> Result<DeliveryRecord, Error> {
    let id: i64 = row.try_get("id")?;
    let status: String = row.try_get("status")?;
    let stored =
        |got| Error::Stored { table: "webhook_deliveries", column: "status", key: id.to_string(), got };
    Ok(DeliveryRecord {
        id,
        message: row.try_get("message_id")?,
        payload: row.try_get("payload")?,
        status: DeliveryStatus::from_name(&status).ok_or_else(|| stored(status))?,
        attempts: row.try_get("attempts")?,
        last_attempt_at: row.try_get("last_attempt_at")?,
        last_status: row.try_get("last_status")?,
        last_error: row.try_get("last_error")?,
        created_at: row.try_get("created_at")?,
    })
}
