//! Where a tenant wants to be told of changes: endpoints, their secrets, and what became of every message.

mod answer;
mod request;

use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::{Envelope, MemoryType, Reach, TenantId, WakeUp};
use jiff::{SignedDuration, Timestamp};
use queue::Publisher;
use seal::Sealer;
use serde_json::json;
use store::{DeliveryFilter, DeliveryStatus, EndpointPatch, NewEndpoint, Replay, secret_place};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::answer::{
    DeliveryPage, EndpointAnswer, EndpointList, EndpointMade, ReplayAnswer, SecretAnswer, TrialAnswer,
    webhook_id,
};
use self::request::{
    DeliveriesAsked, EndpointPatchAsked, EventType, NewEndpointAsked, OfEndpoint, ReplayAsked, RotationAsked,
    Standing, checked_url, named,
};
use crate::Parts;
use crate::http::{
    Answer, Caller, Json, Moment, Nothing, PathOf, Problem, Query, Shared, Short, Whole, postgres_is_down,
};

/// How long an old secret signs beside a new one when nobody says, in hours.
const USUAL_OVERLAP: i64 = 24;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(rotate))
        .routes(routes!(deliveries))
        .routes(routes!(replay))
        .routes(routes!(try_out))
}

/// What it takes to let a tenant have endpoints.
pub(crate) struct Webhooks {
    /// Seals their secrets.
    pub(crate) sealer: Sealer,
    /// Which addresses they may have.
    pub(crate) reach: Reach,
    /// Wakes the notifier, whose queue this is. Untold, it is woken by the reader's sweep.
    pub(crate) notifier: Option<(Publisher, String)>,
}

/// The tenant's endpoints, the oldest first.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints", operation_id = "list_endpoints", tag = "webhooks",
    security(("api_key" = ["admin"])),
    responses((status = 200, body = EndpointList), (status = 503, body = Problem))
)]
async fn list(
    State(parts): State<Shared>,
    caller: Caller,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<EndpointList>, Problem> {
    let found =
        parts.store.endpoints(&caller.tenant, None).await.map_err(|error| postgres_is_down(&error))?;
    Ok(Answer::ok(EndpointList { endpoints: found.into_iter().map(Into::into).collect() }))
}

/// Makes an endpoint. The answer has the secret that verifies its messages; it is shown this once.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints", operation_id = "create_endpoint", tag = "webhooks",
    request_body = NewEndpointAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 201, body = EndpointMade), (status = 400, body = Problem),
        (status = 422, description = "The tenant has fifty endpoints", body = Problem), (status = 503, body = Problem)
    )
)]
async fn create(
    State(parts): State<Shared>,
    caller: Caller,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<NewEndpointAsked>,
) -> Result<Answer<EndpointMade>, Problem> {
    parts.create_endpoint(&caller.tenant, &asked).await.map(Answer::created)
}

/// One endpoint.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{id}", operation_id = "show_endpoint", tag = "webhooks", params(OfEndpoint),
    security(("api_key" = ["admin"])),
    responses((status = 200, body = EndpointAnswer), (status = 404, body = Problem), (status = 503, body = Problem))
)]
async fn show(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<EndpointAnswer>, Problem> {
    let found =
        parts.store.endpoints(&caller.tenant, Some(id)).await.map_err(|error| postgres_is_down(&error))?;
    let endpoint = found.into_iter().next().ok_or_else(|| unknown_endpoint(id))?;
    Ok(Answer::ok(endpoint.into()))
}

/// Changes an endpoint. One that is enabled or moves is sent to at once.
#[utoipa::path(
    patch, path = "/v1/webhook-endpoints/{id}", operation_id = "change_endpoint", tag = "webhooks", params(OfEndpoint),
    request_body = EndpointPatchAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = EndpointAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn change(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<EndpointPatchAsked>,
) -> Result<Answer<EndpointAnswer>, Problem> {
    parts.change_endpoint(&caller.tenant, id, &asked).await.map(Answer::ok)
}

/// Deletes an endpoint and what waits for it.
#[utoipa::path(
    delete, path = "/v1/webhook-endpoints/{id}", operation_id = "delete_endpoint", tag = "webhooks", params(OfEndpoint),
    security(("api_key" = ["admin"])),
    responses(
        (status = 204, description = "It is deleted"), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
async fn delete(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Problem> {
    let deleted = parts.store.delete_endpoint(&caller.tenant, id).await;
    if deleted.map_err(|error| postgres_is_down(&error))? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown_endpoint(id))
    }
}

/// Gives an endpoint a new secret, which is shown this once. For a while messages are signed with the one before too.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/rotate", operation_id = "rotate_endpoint_secret", tag = "webhooks",
    params(OfEndpoint), request_body = RotationAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = SecretAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn rotate(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<RotationAsked>,
) -> Result<Answer<SecretAnswer>, Problem> {
    let hours = asked.overlap_hours.map_or(USUAL_OVERLAP, Whole::get);
    parts.rotate_endpoint(&caller.tenant, id, SignedDuration::from_hours(hours)).await.map(Answer::ok)
}

/// What was sent to an endpoint, or waits, the latest first.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{id}/deliveries", operation_id = "list_deliveries", tag = "webhooks",
    params(OfEndpoint, DeliveriesAsked),
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = DeliveryPage), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn deliveries(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(asked): Query<DeliveriesAsked>,
) -> Result<Answer<DeliveryPage>, Problem> {
    parts.list_deliveries(&caller.tenant, id, &asked).await.map(Answer::ok)
}

/// Has messages sent again, in their order: those that were set aside, or those that were delivered too.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/replay", operation_id = "replay_deliveries", tag = "webhooks",
    params(OfEndpoint), request_body = ReplayAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 202, body = ReplayAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn replay(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<ReplayAsked>,
) -> Result<Answer<ReplayAnswer>, Problem> {
    parts.replay_deliveries(&caller.tenant, id, &asked).await.map(Answer::accepted)
}

/// Sends an endpoint a message of type `webhook.test`, in its turn.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/test", operation_id = "try_endpoint", tag = "webhooks", params(OfEndpoint),
    security(("api_key" = ["admin"])),
    responses((status = 202, body = TrialAnswer), (status = 404, body = Problem), (status = 503, body = Problem))
)]
async fn try_out(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfEndpoint { id }): PathOf<OfEndpoint>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<TrialAnswer>, Problem> {
    let payload = json!({"type": "webhook.test", "timestamp": (parts.now)(), "data": {"endpoint": id}});
    let sent = parts.store.send_to_endpoint(&caller.tenant, id, &payload).await;
    let message = sent.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| unknown_endpoint(id))?;
    parts.wake_notifier(&caller.tenant, id).await;
    Ok(Answer::accepted(TrialAnswer { webhook_id: webhook_id(message) }))
}

impl Parts {
    async fn create_endpoint(
        &self,
        tenant: &TenantId,
        asked: &NewEndpointAsked,
    ) -> Result<EndpointMade, Problem> {
        let webhooks = self.webhooks()?;
        checked_url(&asked.url, webhooks.reach)?;
        let events = named("events", asked.events.as_deref(), EventType::as_str)?;
        let types = named("types", asked.types.as_deref(), MemoryType::as_str)?;
        let id = Uuid::now_v7();
        let (secret, sealed) = webhooks.new_secret(id);
        let new = NewEndpoint {
            id,
            url: asked.url.as_str(),
            description: asked.description.as_ref().map(Short::as_str),
            event_types: events.as_deref(),
            memory_types: types.as_deref(),
            secret: &sealed,
        };
        let made =
            self.store.create_endpoint(tenant, &new).await.map_err(|error| postgres_is_down(&error))?;
        let endpoint = made.ok_or_else(|| {
            Problem::unprocessable(
                "url",
                "the tenant has fifty endpoints, delete one before making another".to_owned(),
            )
        })?;
        Ok(EndpointMade { endpoint: endpoint.into(), secret })
    }

    async fn change_endpoint(
        &self,
        tenant: &TenantId,
        id: Uuid,
        asked: &EndpointPatchAsked,
    ) -> Result<EndpointAnswer, Problem> {
        if let Some(url) = &asked.url {
            checked_url(url, self.webhooks()?.reach)?;
        }
        let events = named("events", asked.events.value().map(Vec::as_slice), EventType::as_str)?;
        let types = named("types", asked.types.value().map(Vec::as_slice), MemoryType::as_str)?;
        let patch = EndpointPatch {
            url: asked.url.as_ref().map(Short::as_str),
            description: asked.description.then(asked.description.value().map(Short::as_str)),
            event_types: asked.events.then(events.as_deref()),
            memory_types: asked.types.then(types.as_deref()),
            is_enabled: asked.enabled,
        };
        let changed = self.store.change_endpoint(tenant, id, &patch).await;
        let endpoint =
            changed.map_err(|error| postgres_is_down(&error))?.ok_or_else(|| unknown_endpoint(id))?;
        if endpoint.pending > 0 && endpoint.disabled_because.is_none() {
            self.wake_notifier(tenant, id).await;
        }
        Ok(endpoint.into())
    }

    async fn rotate_endpoint(
        &self,
        tenant: &TenantId,
        id: Uuid,
        overlap: SignedDuration,
    ) -> Result<SecretAnswer, Problem> {
        let (secret, sealed) = self.webhooks()?.new_secret(id);
        let old_secret_until = (self.now)().saturating_add(overlap).unwrap_or(Timestamp::MAX);
        let rotated = self.store.rotate_endpoint_secret(tenant, id, &sealed, old_secret_until).await;
        if rotated.map_err(|error| postgres_is_down(&error))? {
            Ok(SecretAnswer { secret, old_secret_until })
        } else {
            Err(unknown_endpoint(id))
        }
    }

    async fn list_deliveries(
        &self,
        tenant: &TenantId,
        id: Uuid,
        asked: &DeliveriesAsked,
    ) -> Result<DeliveryPage, Problem> {
        let limit = asked.limit();
        let filter = DeliveryFilter {
            status: asked.status.map(|Standing(status)| status),
            before: asked.after.map(Whole::get),
        };
        // One more than wanted tells whether there is a next page.
        let (found, records) = tokio::try_join!(
            self.store.endpoints(tenant, Some(id)),
            self.store.deliveries(tenant, id, filter, limit.saturating_add(1)),
        )
        .map_err(|error| postgres_is_down(&error))?;
        if found.is_empty() {
            return Err(unknown_endpoint(id));
        }
        Ok(DeliveryPage::of(records, limit))
    }

    async fn replay_deliveries(
        &self,
        tenant: &TenantId,
        id: Uuid,
        asked: &ReplayAsked,
    ) -> Result<ReplayAnswer, Problem> {
        let status = match asked.status {
            None => DeliveryStatus::Dead,
            Some(Standing(DeliveryStatus::Pending)) => {
                let detail =
                    "field `status` is pending, expected dead or delivered: what is pending is on its way";
                return Err(Problem::invalid("status", detail.to_owned()));
            }
            Some(Standing(status)) => status,
        };
        let found = self.store.endpoints(tenant, Some(id)).await.map_err(|error| postgres_is_down(&error))?;
        if found.is_empty() {
            return Err(unknown_endpoint(id));
        }
        let replay = Replay {
            // One message that is named is sent again whatever became of it.
            status: (asked.message.is_none() || asked.status.is_some()).then_some(status),
            since: asked.since.map(|Moment(since)| since),
            message: asked.message,
        };
        let renewed = self.store.replay_deliveries(tenant, id, replay).await;
        let renewed = renewed.map_err(|error| postgres_is_down(&error))?;
        if renewed > 0 {
            self.wake_notifier(tenant, id).await;
        }
        Ok(ReplayAnswer { renewed })
    }

    fn webhooks(&self) -> Result<&Webhooks, Problem> {
        self.webhooks.as_ref().ok_or_else(|| {
            tracing::error!("endpoints need SEALING_KEY, which is not set");
            Problem::unavailable("what seals the secrets of endpoints")
        })
    }

    /// Tells the notifier that something waits for an endpoint. Untold, a sweep of the reader finds it.
    async fn wake_notifier(&self, tenant: &TenantId, endpoint: Uuid) {
        let Some((publisher, queue_url)) =
            self.webhooks.as_ref().and_then(|webhooks| webhooks.notifier.as_ref())
        else {
            return;
        };
        let wake_up = WakeUp::Endpoint { tenant: tenant.clone(), endpoint };
        let envelope = Envelope::first(wake_up, (self.now)());
        if let Err(error) = publisher.publish(queue_url, &[envelope]).await {
            tracing::warn!(%error, "the notifier is woken by the next sweep");
        }
    }
}

impl Webhooks {
    /// A secret of an endpoint, 32 random bytes in the form of Standard Webhooks, and sealed for the endpoint's row.
    fn new_secret(&self, endpoint: Uuid) -> (String, Vec<u8>) {
        let secret = seal::random_bytes();
        let sealed = self.sealer.seal(&secret_place(endpoint), &secret);
        (format!("whsec_{}", BASE64.encode(secret)), sealed)
    }
}

fn unknown_endpoint(id: Uuid) -> Problem {
    Problem::not_found(format!("there is no endpoint {id}"))
}
