//! Endpoints and their messages as their owner sees them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::{DeliveryRecord, Endpoint};
use utoipa::ToSchema;
use uuid::Uuid;

/// The endpoints of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointList {
    pub(crate) endpoints: Vec<EndpointAnswer>,
}

/// An endpoint as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointAnswer {
    id: Uuid,
    url: String,
    description: Option<String>,
    /// The events it is told of; `null` for all.
    events: Option<Vec<String>>,
    /// The types of memories it is told of; `null` for all.
    types: Option<Vec<String>>,
    enabled: bool,
    /// Why nothing is sent: `asked`, `gone` (it answered 410) or `failing` (nothing came through for five days).
    disabled_because: Option<String>,
    /// Since when nothing has come through.
    failing_since: Option<Timestamp>,
    /// Nothing is sent before this.
    next_attempt_at: Option<Timestamp>,
    /// How many messages wait; 10,000 stands for that many or more.
    pending: i64,
    /// Since when the one does that has waited longest.
    pending_since: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// An endpoint with what signs its messages, which is shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointMade {
    #[serde(flatten)]
    pub(crate) endpoint: EndpointAnswer,
    /// Verifies its messages, in the form of Standard Webhooks.
    pub(crate) secret: String,
}

/// A new secret, which is shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretAnswer {
    /// Verifies the endpoint's messages from now on.
    pub(crate) secret: String,
    /// Until when the one before does too.
    pub(crate) old_secret_until: Timestamp,
}

/// A page of an endpoint's messages, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryPage {
    deliveries: Vec<DeliveryAnswer>,
    /// What to give as `after` for the next page.
    next: Option<String>,
}

/// One message to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryAnswer {
    /// What names it to the receiver.
    webhook_id: String,
    /// `pending`, `delivered` or `dead`.
    status: &'static str,
    attempts: i32,
    last_attempt_at: Option<Timestamp>,
    /// What the endpoint answered last.
    last_status: Option<i16>,
    /// What went wrong last.
    last_error: Option<String>,
    created_at: Timestamp,
    /// The body that is sent.
    #[schema(value_type = Object)]
    payload: Value,
}

/// What a replay comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayAnswer {
    /// How many messages are sent again.
    pub(crate) renewed: i64,
}

/// A message for trying an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialAnswer {
    /// What names it to the receiver.
    pub(crate) webhook_id: String,
}

/// What a message is called on the wire.
pub(crate) fn webhook_id(message: Uuid) -> String {
    format!("msg_{}", message.simple())
}

impl From<Endpoint> for EndpointAnswer {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.event_types,
            types: endpoint.memory_types,
            enabled: endpoint.disabled_because.is_none(),
            disabled_because: endpoint.disabled_because,
            failing_since: endpoint.failing_since,
            next_attempt_at: endpoint.next_attempt_at,
            pending: endpoint.pending,
            pending_since: endpoint.pending_since,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

impl DeliveryPage {
    /// A page of at most `limit`, made of one more where there are more.
    pub(crate) fn of(mut records: Vec<DeliveryRecord>, limit: u16) -> Self {
        let has_next = records.len() > usize::from(limit);
        records.truncate(usize::from(limit));
        let next = records.last().map(|record| record.id.to_string()).filter(|_last| has_next);
        let deliveries = records.into_iter().map(|record| DeliveryAnswer {
            webhook_id: webhook_id(record.message),
            status: record.status.as_str(),
            attempts: record.attempts,
            last_attempt_at: record.last_attempt_at,
            last_status: record.last_status,
            last_error: record.last_error,
            created_at: record.created_at,
            payload: record.payload,
        });
        Self { deliveries: deliveries.collect(), next }
    }
}
