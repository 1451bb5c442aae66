//! Takes in what applications say, and answers before it is stored.
//!
//! Trigger: HTTP. Reads: webhook sources, in DynamoDB, and in Postgres those that DynamoDB does not have. Writes: pending turns
//! and the keys of requests, in DynamoDB. Emits: accepted events, into the FIFO queue that the ingester stores them from.
//!
//! - `POST /v1/events` events of any users and sessions of a tenant
//! - `POST /v1/webhooks/{source}` what a sender signs: Standard Webhooks, or Slack's Events API
//!
//! 202 says that the queue has every event, and the queue keeps them until the log has them: Postgres may be down for as
//! long as messages are kept, two weeks. Whatever is wrong with a request is a problem that names the field, and nothing of
//! it was taken.

#![expect(unused_qualifications, reason = "utoipa repeats the types of parameters with their paths")]

mod accept;
mod events;
mod headers;
mod screen;
mod sources;

use std::sync::{Arc, OnceLock};

use api::{Guard, IngestQuota};
use axum::Router;
use axum::middleware::from_fn;
use domain::{TenantId, TenantSettings};
use hot::Hot;
use jiff::Timestamp;
use lambda_http::{Body, Request, Response, service_fn};
use queue::Publisher;
use runtime::{Config, Services};
use seal::Sealer;
use store::Store;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::sources::Registry;

/// The variable with the address of the queue of accepted events.
pub const QUEUE: &str = "INGEST_QUEUE";
/// The longest body, in bytes.
pub(crate) const MOST_BODY_BYTES: usize = 1024 * 1024;

/// What operations are grouped by.
const TAGS: [(&str, &str); 2] =
    [("events", "What applications say."), ("webhooks", "What others sign and send for a tenant.")];

/// The function, built once per process.
pub struct Webhook {
    parts: Arc<Parts>,
    router: OnceLock<Router>,
}

/// What the function answers with.
pub(crate) struct Parts {
    pub(crate) guard: Arc<Guard>,
    pub(crate) quota: IngestQuota,
    pub(crate) hot: Hot,
    pub(crate) registry: Registry,
    pub(crate) publisher: Publisher,
    pub(crate) queue_url: String,
    pub(crate) now: fn() -> Timestamp,
    /// Names a request that nobody named.
    pub(crate) new_id: fn() -> Uuid,
}

impl Parts {
    /// What a tenant has set, as far as that is known. Settings that nobody can read refuse nobody and keep nothing out: the
    /// deployment's quota holds, and whoever stores the events looks through them once more.
    pub(crate) async fn settings(&self, tenant: &TenantId, now: Timestamp) -> TenantSettings {
        self.guard.keyring().settings_if_known(tenant, now).await
    }
}

/// What every handler is given.
pub(crate) type Shared = Arc<Parts>;

/// What the document says of the whole; its paths come from the handlers.
#[derive(OpenApi)]
#[openapi(info(
    title = "Afterthought: what is said",
    description = "Takes in events and signed webhooks, and answers before they are stored. Errors are problem details \
                   (RFC 9457)."
))]
struct Document;

impl Webhook {
    /// A function on clients at hand; `queue_url` is the FIFO queue that the ingester is woken by. `store` is asked for sources
    /// that hot state does not have, and `sealer` opens their secrets.
    pub fn new(
        store: Store,
        hot: Hot,
        sealer: Option<Sealer>,
        publisher: Publisher,
        queue_url: String,
        now: fn() -> Timestamp,
        new_id: fn() -> Uuid,
    ) -> Self {
        let guard = Arc::new(Guard::new(store.clone(), hot.clone(), now));
        let registry = Registry::new(store, hot.clone(), sealer);
        let parts =
            Parts { guard, quota: IngestQuota::default(), hot, registry, publisher, queue_url, now, new_id };
        Self { parts: Arc::new(parts), router: OnceLock::new() }
    }

    /// A function on the clients of a process; an error names the variable that is missing or wrong.
    pub async fn from_services(services: &Services) -> anyhow::Result<Self> {
        services.config.check_url("WEBHOOK_AUTH_TYPE")?;
        let queue_url = services.config.variables.get(QUEUE).filter(|url| !url.is_empty()).cloned();
        let queue_url =
            queue_url.ok_or_else(|| anyhow::anyhow!("{QUEUE} is not set, expected the URL of a queue"))?;
        let sealer = match services.config.sealing_key {
            None => None,
            Some(_) => Some(runtime::sealer(&services.config, &services.aws).await?),
        };
        let Services { store, hot, publisher, now, .. } = services;
        let webhook =
            Self::new(store.clone(), hot.clone(), sealer, publisher.clone(), queue_url, *now, random_id);
        let config = &services.config;
        let quota = IngestQuota {
            per_minute: config.ingest_events_per_minute,
            per_day: config.ingest_events_per_day,
        };
        Ok(webhook
            .with_guard(|guard| guard.with_keys_required(config.are_api_keys_required))
            .with_quota(quota))
    }

    fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(
            Arc::get_mut(&mut self.parts).expect("nothing was answered yet, so nobody else holds the parts"),
        );
        self
    }

    /// The same function behind another guard than one that requires no keys.
    #[must_use]
    pub fn with_guard(self, change: impl FnOnce(Guard) -> Guard) -> Self {
        self.with(|parts| parts.guard = Arc::new(change(Guard::clone(&parts.guard))))
    }

    /// The same function, refusing events beyond a tenant's quota.
    #[must_use]
    pub fn with_quota(self, quota: IngestQuota) -> Self {
        self.with(|parts| parts.quota = quota)
    }

    /// Answers one request. Whatever is wrong with it, or with what is behind this function, becomes a response.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let router = self.router.get_or_init(|| router(&self.parts)).clone();
        api::respond(router, request).await
    }
}

fn router(parts: &Shared) -> Router {
    let operations = OpenApiRouter::with_openapi(Document::openapi())
        .merge(events::routes())
        .merge(sources::routes())
        .layer(from_fn(headers::checked));
    api::routed(operations, &TAGS, &parts.guard).with_state(Arc::clone(parts))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that makes up what names a request; tests put their own"
)]
fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// Runs the function as a Lambda until the process is ended.
pub async fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = runtime::init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let webhook = &Webhook::from_services(&services).await?;
    let guard = Arc::clone(&webhook.parts.guard);
    let runtime_api = services.config.variables.get("AWS_LAMBDA_RUNTIME_API");
    api::shutdown::before("webhook-shutdown", runtime_api.map(String::as_str), move || async move {
        guard.flush().await;
    })
    .await;
    lambda_http::run(service_fn(move |request: Request| async move {
        let response = webhook.handle(request).await;
        telemetry.flush();
        Ok::<_, lambda_http::Error>(response)
    }))
    .await
    .map_err(|error| anyhow::anyhow!(error))
}
