//! Answers what is remembered of a user.
//!
//! Trigger: HTTP. Reads: events, memories and profiles in Postgres, hot state in DynamoDB. Writes: the context of a session
//! that hot state has lost, working memory and the state of tools, decisions of reviewers, memories and what becomes of
//! them. Emits: wake-ups of the indexer for what was approved or changed, and of the memory-curator for what is promoted.
//!
//! - `GET /v1/users/{user}/recall?query=…&k=…` what answers a question: `k` memories and `k` events, best first
//! - `GET /v1/users/{user}/hydrate?session=…&query=…` what it takes to go on with a conversation
//! - `…/v1/users/{user}/memories…` what is remembered: listed, shown, made, corrected, pinned, deleted, promoted
//! - `GET /v1/users/{user}/status` how far every agent is with what was said
//! - `POST /v1/mcp` the same as tools of the Model Context Protocol
//! - `GET /v1/reviews`, `GET` and `POST /v1/reviews/{id}` what waits for a person, and their decisions
//! - `/v1/users/{user}/sessions/…` the state of an application's own agents: logs, states, checkpoints, operations
//! - `…/v1/users/{user}/sessions/{session}/working-memory` and `…/tools/{tool}` what an application keeps while it works
//! - `POST /v1/users/{user}/erasures`, `GET …/erasures/{id}`, `GET /v1/erasures` erasing a user, a session or a memory
//! - `GET /v1/users/{user}/export` everything about a user, as JSON Lines
//! - `/v1/webhook-sources…` who sends signed requests for the tenant
//! - `/v1/keys…` and `/v1/settings` what a tenant manages of its own
//! - `GET /v1/health` whether Postgres answers
//! - `/v1/admin/…` what an operator asks and orders over all tenants, only where `ADMIN_API` is true
//!
//! An API key decides the tenant and what may be done. Where `API_KEYS` is `off`, the header `afterthought-tenant` names the
//! tenant, `default` without it, and the function trusts it: whoever may call the function may ask for every tenant, so its
//! URL is protected by IAM and only an application's own back end calls it.
//! Errors are problem details (RFC 9457).

#![expect(unused_qualifications, reason = "utoipa repeats the types of parameters with their paths")]

mod admin;
mod endpoints;
mod erasure;
mod export;
mod health;
mod http;
mod hydrate;
mod mcp;
mod memories;
mod review;
mod screen;
mod search;
mod sessions;
mod sources;
mod status;
mod tenants;
mod working;

use std::sync::{Arc, OnceLock};

use api::{Guard, IngestQuota, Keyring, Limiter};
use axum::Router;
use domain::{Reach, TenantId};
use hot::Hot;
use jiff::{SignedDuration, Timestamp};
use lambda_http::{Body, Request, Response, service_fn};
use model::Embedder;
use queue::{Publisher, Routes};
use runtime::{Config, Services};
use seal::Sealer;
use store::{Role, Store};

pub use admin::Admin;

/// The environment variable with the address of the janitor's queue.
const JANITOR_QUEUE: &str = "JANITOR_QUEUE";

/// For how long a copy of a tenant's settings does: Postgres is at hand here.
const FRESH_SETTINGS: SignedDuration = SignedDuration::from_secs(30);

/// The function, built once per process.
pub struct Recall {
    parts: Arc<Parts>,
    router: OnceLock<Router>,
}

/// What the function answers with.
pub(crate) struct Parts {
    pub(crate) store: Store,
    /// The same database, for what agents may not do. No connection is opened before something is erased.
    pub(crate) keeper: Option<Store>,
    pub(crate) janitor: Option<erasure::Janitor>,
    pub(crate) hot: Hot,
    /// None when it could not be had: everything is found by its words, and answers say so.
    pub(crate) embedder: Option<Embedder>,
    pub(crate) now: fn() -> Timestamp,
    pub(crate) indexer: Option<review::Indexer>,
    pub(crate) curator: Option<memories::Curator>,
    /// The agents there are, as far as it was told.
    pub(crate) agents: Vec<String>,
    pub(crate) admin: Option<Admin>,
    /// What seals the secrets of webhook sources; where it is not given, none can be made.
    pub(crate) sealer: Option<Sealer>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) accesses: search::Accesses,
    pub(crate) webhooks: Option<endpoints::Webhooks>,
    /// The models that tenants may choose, by name.
    pub(crate) models: Vec<String>,
    /// How many events a tenant may append that has no limits of its own.
    pub(crate) quota: IngestQuota,
}

impl Parts {
    /// Hot state as a tenant has it: what is written there lives as long as the tenant wants. Where nobody can tell how long
    /// that is, it is as long as the deployment says.
    pub(crate) async fn hot_of(&self, tenant: &TenantId) -> Hot {
        let settings = self.guard.keyring().settings_if_known(tenant, (self.now)()).await;
        self.hot.for_tenant(&settings.lifetimes)
    }
}

impl Recall {
    /// A function on clients at hand; `now` is the clock that expiry is judged by. Without an embedder it finds by words
    /// alone and says that it is degraded.
    pub fn new(
        store: Store,
        hot: Hot,
        embedder: impl Into<Option<Embedder>>,
        now: fn() -> Timestamp,
    ) -> Self {
        let keyring = Keyring::new(store.clone(), hot.clone()).with_settings_fresh_for(FRESH_SETTINGS);
        let guard = Guard::new(store.clone(), hot.clone(), now).with_keyring(keyring);
        let guard = Arc::new(guard.with_limiter(Limiter::new(0)));
        let accesses = search::Accesses::new(store.clone());
        let keeper = store
            .acting_as(Role::Keeper, 1)
            .inspect_err(|error| tracing::error!(%error, "nothing can be erased"))
            .ok();
        let parts = Parts {
            store,
            keeper,
            janitor: None,
            hot,
            embedder: embedder.into(),
            now,
            indexer: None,
            curator: None,
            agents: Vec::new(),
            admin: None,
            sealer: None,
            guard,
            accesses,
            webhooks: None,
            models: Vec::new(),
            quota: IngestQuota::default(),
        };
        Self { parts: Arc::new(parts), router: OnceLock::new() }
    }

    fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(
            Arc::get_mut(&mut self.parts).expect("nothing was answered yet, so nobody else holds the parts"),
        );
        self
    }

    /// The same function, refusing what a tenant asks beyond so many requests a minute, unless its settings say
    /// otherwise; 0 is no limit.
    #[must_use]
    pub fn with_limit(self, per_minute: u32) -> Self {
        self.with_guard(|guard| guard.with_limiter(Limiter::new(per_minute)))
    }

    /// The same function, refusing events beyond a tenant's quota.
    #[must_use]
    pub fn with_ingest_quota(self, quota: IngestQuota) -> Self {
        self.with(|parts| parts.quota = quota)
    }

    /// The same function behind another guard than one that requires no keys.
    #[must_use]
    pub fn with_guard(self, change: impl FnOnce(Guard) -> Guard) -> Self {
        self.with(|parts| parts.guard = Arc::new(change(Guard::clone(&parts.guard))))
    }

    /// The same function, telling the indexer among `routes` of every memory that is approved or changed, and the
    /// memory-curator of every promotion. Untold, the indexer finds it with the session's next event, and the
    /// memory-curator with its next tick.
    /// Whoever asks how far the agents are is told of all in `routes`, also of those that have not begun.
    #[must_use]
    pub fn with_indexer(self, publisher: Publisher, routes: &Routes) -> Self {
        self.with(|parts| {
            parts.curator = memories::Curator::routed(publisher.clone(), routes);
            parts.agents = routes.all().map(|(agent, _)| agent.to_owned()).collect();
            parts.indexer = review::Indexer::routed(publisher, routes);
        })
    }

    /// The same function, telling the janitor of every erasure by its queue. Untold, it finds them on its schedule.
    #[must_use]
    pub fn with_janitor(self, publisher: Publisher, queue_url: &str) -> Self {
        self.with(|parts| parts.janitor = Some(erasure::Janitor::new(publisher, queue_url)))
    }

    /// The same function, letting tenants have endpoints that are told of changes. `sealer` seals their secrets, `reach` says
    /// which addresses they may have, and the notifier is woken through its queue, where that is known.
    #[must_use]
    pub fn with_webhooks(self, sealer: Sealer, reach: Reach, notifier: Option<(Publisher, String)>) -> Self {
        self.with(|parts| parts.webhooks = Some(endpoints::Webhooks { sealer, reach, notifier }))
    }

    /// The same function, letting tenants choose among these models.
    #[must_use]
    pub fn with_models<'a>(self, offered: impl Iterator<Item = &'a str>) -> Self {
        let models = offered.map(str::to_owned).collect();
        self.with(|parts| parts.models = models)
    }

    /// The same function, keeping the secrets of webhook sources.
    #[must_use]
    pub fn with_sealer(self, sealer: Option<Sealer>) -> Self {
        self.with(|parts| parts.sealer = sealer)
    }

    /// The same function, counting what it hands out through a store of its own, so that no question waits for it.
    #[must_use]
    pub fn with_access_store(self, store: Store) -> Self {
        self.with(|parts| parts.accesses = search::Accesses::new(store))
    }

    /// Counts what was handed out and is not counted yet, for a process that ends, and answers how many memories that are.
    pub async fn count_accesses(&self) -> u64 {
        self.parts.accesses.flush().await
    }

    /// Notes which API keys were used and are not noted yet, for a process that ends.
    pub async fn note_key_uses(&self) {
        self.parts.guard.flush().await;
    }

    /// The same function, obeying operators when there is something to do so with; otherwise it has no such paths.
    #[must_use]
    pub fn with_admin(self, admin: Option<Admin>) -> Self {
        self.with(|parts| parts.admin = admin)
    }

    /// Answers one request. Whatever is wrong with it, or with what is behind this function, becomes a response.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let router = self.router.get_or_init(|| http::router(&self.parts)).clone();
        api::respond(router, request).await
    }
}

/// Runs the function as a Lambda until the process is ended.
pub async fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    config.check_url("RECALL_AUTH_TYPE")?;
    let telemetry = runtime::init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let embedder = Embedder::new(&services.config.embedder)
        .inspect_err(|error| tracing::error!(%error, "recall goes on without an embedder"))
        .ok();
    let sealer = match services.config.sealing_key {
        None => None,
        Some(_) => Some(runtime::sealer(&services.config, &services.aws).await?),
    };
    let operator_key = runtime::operator_key(&services.config, &services.aws).await?;
    // What is counted apart from the answers takes no connection from a question.
    let last_words = Store::new(&services.database, Role::Agent, 1)?;
    let recall = Recall::new(services.store.clone(), services.hot.clone(), embedder, services.now)
        .with_indexer(services.publisher.clone(), &services.config.routes)
        .with_admin(Admin::from_services(&services)?)
        .with_sealer(sealer)
        .with_models(services.config.offered_models.iter().map(|(name, _)| name))
        .with_guard(|guard| {
            guard
                .with_keys_required(services.config.are_api_keys_required)
                .with_operator_key(operator_key)
                .with_use_store(last_words.clone())
        })
        .with_limit(services.config.recall_requests_per_minute)
        .with_ingest_quota(IngestQuota {
            per_minute: services.config.ingest_events_per_minute,
            per_day: services.config.ingest_events_per_day,
        })
        .with_access_store(last_words);
    let recall = match services.config.variables.get(JANITOR_QUEUE).filter(|url| !url.is_empty()) {
        Some(queue_url) => recall.with_janitor(services.publisher.clone(), queue_url),
        None => recall,
    };
    let reach = services.config.notifier_reach;
    let notifier = services.config.notifier_queue.clone().map(|queue| (services.publisher.clone(), queue));
    let recall = match runtime::sealer(&services.config, &services.aws).await {
        Ok(sealer) => recall.with_webhooks(sealer, reach, notifier),
        Err(error) => {
            tracing::warn!(%error, "recall goes on without endpoints for webhooks");
            recall
        }
    };
    let (accesses, guard) = (recall.parts.accesses.clone(), Arc::clone(&recall.parts.guard));
    let runtime_api = services.config.variables.get("AWS_LAMBDA_RUNTIME_API");
    api::shutdown::before("recall-shutdown", runtime_api.map(String::as_str), move || async move {
        accesses.flush().await;
        guard.flush().await;
    })
    .await;
    let recall = &recall;
    lambda_http::run(service_fn(move |request: Request| async move {
        let response = recall.handle(request).await;
        telemetry.flush();
        Ok::<_, lambda_http::Error>(response)
    }))
    .await
    .map_err(|error| anyhow::anyhow!(error))
}
