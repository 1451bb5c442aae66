//! API keys, scopes, settings and quotas, from request to effect: who is let in, as whom, and how much they may ask.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};

use api::{IngestQuota, Keyring, RateLimit};
use domain::{ApiKey, KeyScopes, TenantId, TenantSettings};
use hot::Put;
use jiff::Timestamp;
use lambda_http::Body;
use model::Embedder;
use recall::{Admin, Recall};
use runtime::{Config, Services};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{DatabaseConfig, Role, Store};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

const OPERATOR_KEY: &str = "an operator's key, as long as it has to be";
/// Where nobody answers.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/nothing";

struct Stage {
    services: Services,
    owner: Client,
    recall: Recall,
    _aws: TestAws,
    _database: TestDatabase,
}

struct Told {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn parameter(&self) -> &str {
        self.body["parameter"].as_str().unwrap_or_default()
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let aws = TestAws::create().await.unwrap();
        let indexer = aws.create_queue("indexer").await.unwrap();
        let hot_table = aws.create_hot_table().await.unwrap();
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database.url()),
            ("HOT_TABLE", &hot_table),
            ("WAKE_UP_QUEUES", &format!("indexer={indexer}")),
            ("ADMIN_API", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables).unwrap();
        let services = Services::with_aws(&config, aws.config().clone()).await.unwrap();
        let owner = database.client().await.unwrap();
        owner
            .batch_execute("insert into afterthought.tenants (tenant) values ('acme'), ('other')")
            .await
            .unwrap();
        let recall = requiring_keys(&services, services.store.clone(), services.now);
        Self { services, owner, recall, _aws: aws, _database: database }
    }

    /// A key of a tenant, made by an operator.
    async fn key(&self, tenant: &str, scopes: &[&str]) -> (String, String) {
        let path = format!("/v1/admin/tenants/{tenant}/keys");
        let body = json!({"name": "test", "scopes": scopes});
        let told = send(&self.recall, "POST", &path, Some(OPERATOR_KEY), Some(body)).await;
        assert_eq!(told.status, 201, "{}", told.body);
        let text = |name: &str| told.body[name].as_str().unwrap().to_owned();
        (text("key"), text("id"))
    }
}

fn requiring_keys(services: &Services, store: Store, now: fn() -> Timestamp) -> Recall {
    Recall::new(store, services.hot.clone(), Embedder::BuiltIn, now)
        .with_admin(Admin::from_services(services).unwrap())
        .with_guard(|guard| {
            guard.with_keys_required(true).with_operator_key(Some(SecretString::from(OPERATOR_KEY)))
        })
}

async fn send_as(
    recall: &Recall,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Told {
    let mut request = http::Request::builder().method(method).uri(path).header("host", "recall.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::Text(body.to_string())
        }
        None => Body::Empty,
    };
    let response = recall.handle(request.body(body).unwrap()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    Told { status, headers, body }
}

async fn send(recall: &Recall, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> Told {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    send_as(recall, method, path, &headers, body).await
}

const MEMORIES: &str = "/v1/users/ada/memories";

fn fact(content: &str) -> Value {
    json!({"type": "fact", "content": content})
}

#[tokio::test]
async fn whoever_has_no_key_that_is_valid_is_told_to_show_one() {
    let stage = Stage::set().await;
    let unknown = ApiKey::from_random([7; 32]);
    for key in [None, Some(unknown.expose()), Some("aft_short"), Some("something else"), Some(OPERATOR_KEY)] {
        for path in [MEMORIES, "/v1/health", "/v1/keys", "/v1/reviews"] {
            let told = send(&stage.recall, "GET", path, key, None).await;
            assert_eq!(
                (told.status, told.header("www-authenticate")),
                (401, Some("Bearer")),
                "{path} {key:?}"
            );
            assert!(!told.body.to_string().contains("aft_A"), "{}", told.body);
        }
    }
    // The document is everybody's, and a path that is not there is no secret.
    assert_eq!(send(&stage.recall, "GET", "/v1/openapi.json", None, None).await.status, 200);
    assert_eq!(send(&stage.recall, "GET", "/v1/nothing", None, None).await.status, 404);
    assert_eq!(send(&stage.recall, "DELETE", MEMORIES, None, None).await.status, 405);
}

#[tokio::test]
async fn a_key_decides_the_tenant() {
    let stage = Stage::set().await;
    let (acme, _) = stage.key("acme", &["read", "ingest"]).await;
    let (other, _) = stage.key("other", &["read", "ingest"]).await;
    let made = send(&stage.recall, "POST", MEMORIES, Some(&acme), Some(fact("Ada keeps bees."))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let listed = async |key: &str| {
        let told = send(&stage.recall, "GET", MEMORIES, Some(key), None).await;
        told.body["memories"].as_array().unwrap().len()
    };
    assert_eq!((listed(&acme).await, listed(&other).await), (1, 0));
    let bearer = format!("Bearer {other}");
    let named = async |name: &str| {
        let headers = [("authorization", bearer.as_str()), ("afterthought-tenant", name)];
        send_as(&stage.recall, "GET", MEMORIES, &headers, None).await
    };
    assert_eq!(named("other").await.status, 200);
    let refused = named("acme").await;
    assert_eq!((refused.status, refused.parameter()), (403, "afterthought-tenant"), "{}", refused.body);
}

#[tokio::test]
async fn a_key_is_looked_at_where_none_is_required() {
    let stage = Stage::set().await;
    let recall = Recall::new(
        stage.services.store.clone(),
        stage.services.hot.clone(),
        Embedder::BuiltIn,
        stage.services.now,
    );
    let headers = [("afterthought-tenant", "acme")];
    let made = send_as(&recall, "POST", MEMORIES, &headers, Some(fact("Ada keeps bees."))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (other, _) = stage.key("other", &["read"]).await;
    let told = send(&recall, "GET", MEMORIES, Some(&other), None).await;
    assert_eq!(told.body["memories"], json!([]));
    assert_eq!(send(&recall, "POST", MEMORIES, Some(&other), Some(fact("x"))).await.status, 403);
    let unknown = ApiKey::from_random([7; 32]);
    assert_eq!(send(&recall, "GET", MEMORIES, Some(unknown.expose()), None).await.status, 401);
    // Signatures of IAM and what other gateways look at are not ours.
    for authorization in ["AWS4-HMAC-SHA256 Credential=x", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"] {
        let headers = [("afterthought-tenant", "acme"), ("authorization", authorization)];
        let told = send_as(&recall, "GET", MEMORIES, &headers, None).await;
        assert_eq!(told.body["memories"].as_array().map(Vec::len), Some(1), "{authorization}");
    }
}

#[tokio::test]
async fn every_operation_says_what_it_needs_and_a_key_without_it_is_refused() {
    let stage = Stage::set().await;
    let document = send(&stage.recall, "GET", "/v1/openapi.json", None, None).await.body;
    let mut keys = HashMap::new();
    for scope in ["read", "ingest", "admin"] {
        keys.insert(scope, stage.key("acme", &[scope]).await.0);
    }
    let mut checked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let at = format!("{method} {path}");
            let security =
                operation["security"].as_array().unwrap_or_else(|| panic!("{at} declares no scope"));
            assert!(!security.is_empty(), "{at} declares no scope");
            let scopes: Vec<&str> = security
                .iter()
                .filter_map(|one| one["api_key"].as_array())
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let is_operators = security.iter().any(|one| one.get("operator_key").is_some());
            assert_eq!(is_operators, path.starts_with("/v1/admin/"), "{at}");
            let target = path.replace("{id}", &uuid::Uuid::nil().to_string()).replace(['{', '}'], "");
            for (scope, key) in &keys {
                let told = send(&stage.recall, &method.to_uppercase(), &target, Some(key), None).await;
                let may = !is_operators && (scopes.is_empty() || scopes.contains(scope));
                let is_refused = matches!(told.status, 401 | 403);
                assert_eq!(is_refused, !may, "{at} with {scope}: {} {}", told.status, told.body);
                if told.status == 403 {
                    let challenge = told.header("www-authenticate").unwrap();
                    assert!(challenge.contains("insufficient_scope"), "{challenge}");
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 150, "{checked}");
}

#[tokio::test]
async fn tools_need_the_scopes_of_what_they_do() {
    let stage = Stage::set().await;
    let call = async |key: &str, body: Value| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("accept", "application/json, text/event-stream"),
            ("afterthought-user", "ada"),
        ];
        send_as(&stage.recall, "POST", "/v1/mcp", &headers, Some(body)).await
    };
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let remember = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "remember", "arguments": {"type": "fact", "content": "Ada keeps bees."}}});
    for (scope, expected, may) in [
        ("read", vec!["recall", "list", "status"], false),
        ("ingest", vec!["remember", "correct", "forget"], true),
    ] {
        let (key, _) = stage.key("acme", &[scope]).await;
        let told = call(&key, list.clone()).await;
        let tools = told.body["result"]["tools"].as_array().unwrap_or_else(|| panic!("{}", told.body));
        let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        assert_eq!(names, expected);
        let told = call(&key, remember.clone()).await;
        assert_eq!(told.body["result"]["isError"] != json!(true), may, "{}", told.body);
    }
    let (admin, _) = stage.key("acme", &["admin"]).await;
    assert_eq!(call(&admin, list).await.status, 403);
}

#[tokio::test]
async fn a_key_is_shown_once_and_known_by_its_hash_alone() {
    let stage = Stage::set().await;
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let asked = json!({"name": "ci", "scopes": ["read"]});
    let made = send(&stage.recall, "POST", "/v1/keys", Some(&admin), Some(asked)).await;
    let key = made.body["key"].as_str().unwrap().to_owned();
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let listed = send(&stage.recall, "GET", "/v1/keys", Some(&admin), None).await;
    assert_eq!(listed.body["keys"].as_array().map(Vec::len), Some(2), "{}", listed.body);
    assert_eq!(listed.body["keys"][0]["name"], "ci");
    assert!(
        !listed.body.to_string().contains(&key)
            && key.starts_with(listed.body["keys"][0]["hint"].as_str().unwrap())
    );
    let stored = stage.owner.query("select k::text from afterthought.api_keys k", &[]).await.unwrap();
    assert!(stored.iter().all(|row| !row.get::<_, String>(0).contains(&key)));
    // The use is noted apart from the answer.
    assert_eq!(send(&stage.recall, "GET", MEMORIES, Some(&key), None).await.status, 200);
    stage.recall.note_key_uses().await;
    let listed = send(&stage.recall, "GET", "/v1/keys", Some(&admin), None).await;
    assert!(listed.body["keys"][0]["last_used_at"].is_string(), "{}", listed.body);
}

static REVOCATION_CLOCK: AtomicI64 = AtomicI64::new(2_000_000_000);

fn revocation_clock() -> Timestamp {
    Timestamp::from_second(REVOCATION_CLOCK.load(Ordering::Relaxed)).unwrap()
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_here_and_soon_everywhere() {
    let stage = Stage::set().await;
    let here = requiring_keys(&stage.services, stage.services.store.clone(), revocation_clock);
    let elsewhere = requiring_keys(&stage.services, stage.services.store.clone(), revocation_clock);
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let (key, id) = stage.key("acme", &["read"]).await;
    for recall in [&here, &elsewhere] {
        assert_eq!(send(recall, "GET", MEMORIES, Some(&key), None).await.status, 200);
    }
    let path = format!("/v1/keys/{id}");
    for _repeat in 0..2 {
        assert_eq!(send(&here, "DELETE", &path, Some(&admin), None).await.status, 204);
        assert_eq!(send(&here, "GET", MEMORIES, Some(&key), None).await.status, 401);
    }
    REVOCATION_CLOCK.fetch_add(31, Ordering::Relaxed);
    assert_eq!(send(&elsewhere, "GET", MEMORIES, Some(&key), None).await.status, 401);
    let (other, _) = stage.key("other", &["admin"]).await;
    assert_eq!(send(&here, "DELETE", &path, Some(&other), None).await.status, 404, "it is another tenant's");

    // A copy that is made late, of what was read before the revocation, changes nothing.
    let parsed = ApiKey::parse(&key).unwrap();
    let grant = stage.services.store.key_grant(&parsed.hash()).await.unwrap().unwrap();
    let late = domain::KeyGrant { valid_until: None, ..grant };
    let put = stage.services.hot.put_key(&parsed.hash(), &late, revocation_clock()).await.unwrap();
    assert_eq!(put, Put::Outdated);
    REVOCATION_CLOCK.fetch_add(31, Ordering::Relaxed);
    assert_eq!(send(&elsewhere, "GET", MEMORIES, Some(&key), None).await.status, 401);
}

static ROTATION_CLOCK: AtomicI64 = AtomicI64::new(2_000_000_000);

fn rotation_clock() -> Timestamp {
    Timestamp::from_second(ROTATION_CLOCK.load(Ordering::Relaxed)).unwrap()
}

#[tokio::test]
async fn a_rotated_key_goes_on_for_the_overlap() {
    let stage = Stage::set().await;
    let recall = requiring_keys(&stage.services, stage.services.store.clone(), rotation_clock);
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let (old, id) = stage.key("acme", &["read"]).await;
    let path = format!("/v1/keys/{id}/rotate");
    let rotated = send(&recall, "POST", &path, Some(&admin), Some(json!({"overlap_seconds": 600}))).await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    assert_eq!(rotated.body["scopes"], json!(["read"]));
    assert_eq!((&rotated.body["replaces"], &rotated.body["replaced"]["id"]), (&json!(id), &json!(id)));
    let new = rotated.body["key"].as_str().unwrap();
    let statuses = async || {
        let of = async |key| send(&recall, "GET", MEMORIES, Some(key), None).await.status;
        (of(&old).await, of(new).await)
    };
    assert_eq!(statuses().await, (200, 200));
    ROTATION_CLOCK.fetch_add(600, Ordering::Relaxed);
    assert_eq!(statuses().await, (401, 200));
    let again = send(&recall, "POST", &path, Some(&admin), Some(json!({}))).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let unknown = format!("/v1/keys/{}/rotate", uuid::Uuid::nil());
    assert_eq!(send(&recall, "POST", &unknown, Some(&admin), Some(json!({}))).await.status, 404);
}

#[tokio::test]
async fn without_postgres_known_keys_go_on_and_others_are_not_called_wrong() {
    let stage = Stage::set().await;
    let (key, _) = stage.key("acme", &["read"]).await;
    let away = Store::new(&DatabaseConfig::parse(NO_DATABASE).unwrap(), Role::Agent, 1).unwrap();
    let recall = requiring_keys(&stage.services, away.clone(), stage.services.now);
    let hot_only = "/v1/users/ada/sessions/chat/working-memory";
    assert!(matches!(send(&recall, "GET", hot_only, Some(&key), None).await.status, 200 | 404));
    let unknown = ApiKey::from_random([7; 32]);
    let told = send(&recall, "GET", hot_only, Some(unknown.expose()), None).await;
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{}", told.body);

    // A copy that is a day old is made again where that is possible, and does where it is not.
    let later = (stage.services.now)().checked_add(jiff::SignedDuration::from_hours(30)).unwrap();
    let keyring = Keyring::new(away, stage.services.hot.clone());
    stage.services.store.tenant(&tenant("acme")).await.unwrap();
    let with_postgres = Keyring::new(stage.services.store.clone(), stage.services.hot.clone());
    with_postgres.settings(&tenant("acme"), (stage.services.now)()).await.unwrap();
    assert_eq!(keyring.settings(&tenant("acme"), later).await.unwrap(), TenantSettings::default());
    assert!(keyring.settings(&tenant("other"), later).await.is_err(), "nothing is known of it");
}

#[tokio::test]
async fn a_tenant_changes_its_settings_and_operators_its_limits() {
    let stage = Stage::set().await;
    let (admin, _) = stage.key("acme", &["admin"]).await;
    let patch = async |query: &str, body: Value| {
        send(&stage.recall, "PATCH", &format!("/v1/settings{query}"), Some(&admin), Some(body)).await
    };
    let shown = send(&stage.recall, "GET", "/v1/settings", Some(&admin), None).await;
    assert_eq!((shown.status, shown.header("etag")), (200, Some("\"1\"")), "{}", shown.body);
    let changed = patch("?version=1", json!({"confidence_floor": 0.5, "review": {"types": ["fact"]}})).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(2)), "{}", changed.body);
    assert_eq!(changed.body["settings"]["confidence_floor"], 0.5);
    let stale = patch("?version=1", json!({"confidence_floor": 0.9})).await;
    assert_eq!((stale.status, &stale.body["current"]["version"]), (409, &json!(2)), "{}", stale.body);
    for (body, status, parameter) in [
        (json!({"colour": "red"}), 400, "colour"),
        (json!({"confidence_floor": 2}), 400, "confidence_floor"),
        (json!({"ingest_events_per_day": 5}), 403, "ingest_events_per_day"),
    ] {
        let refused = patch("", body.clone()).await;
        assert_eq!((refused.status, refused.parameter()), (status, parameter), "{body}: {}", refused.body);
    }
    let removed = patch("", json!({"confidence_floor": null})).await;
    assert_eq!(removed.body["settings"]["confidence_floor"], Value::Null);
    assert_eq!(removed.body["settings"]["review"]["types"], json!(["fact"]), "what is not given stays");

    let asked = json!({"settings": {"ingest_events_per_day": 5}});
    let put = send(&stage.recall, "PUT", "/v1/admin/tenants/acme", Some(OPERATOR_KEY), Some(asked)).await;
    assert_eq!(
        (put.status, &put.body["settings"]["ingest_events_per_day"]),
        (200, &json!(5)),
        "{}",
        put.body
    );
    // Where events come in, it is seen without Postgres.
    let away = Store::new(&DatabaseConfig::parse(NO_DATABASE).unwrap(), Role::Agent, 1).unwrap();
    let keyring = Keyring::new(away, stage.services.hot.clone());
    let settings = keyring.settings(&tenant("acme"), (stage.services.now)()).await.unwrap();
    assert_eq!(settings.ingest_events_per_day, Some(5));
}

#[tokio::test]
async fn operators_make_tenants_and_their_first_keys() {
    let stage = Stage::set().await;
    let put = async |name: &str, key: Option<&str>, body: Value| {
        send(&stage.recall, "PUT", &format!("/v1/admin/tenants/{name}"), key, Some(body)).await
    };
    assert_eq!(put("new", None, json!({})).await.status, 401);
    let (admin, _) = stage.key("acme", &["admin"]).await;
    assert_eq!(put("new", Some(&admin), json!({})).await.status, 401, "a tenant's key is no operator's");
    let wrong = put("new", Some(OPERATOR_KEY), json!({"settings": {"colour": 1}})).await;
    assert_eq!((wrong.status, wrong.parameter()), (400, "colour"));
    let get = async |name: &str| {
        send(&stage.recall, "GET", &format!("/v1/admin/tenants/{name}"), Some(OPERATOR_KEY), None).await
    };
    assert_eq!(get("new").await.status, 404, "nothing of a request that was wrong is done");
    assert_eq!(put("new", Some(OPERATOR_KEY), json!({})).await.status, 201);
    assert_eq!(put("new", Some(OPERATOR_KEY), json!({})).await.status, 200);
    assert_eq!(get("new").await.body["tenant"], "new");
    let (key, id) = stage.key("new", &["admin"]).await;
    assert_eq!(send(&stage.recall, "GET", "/v1/settings", Some(&key), None).await.status, 200);
    let listed =
        send(&stage.recall, "GET", "/v1/admin/tenants?after=acme&limit=2", Some(OPERATOR_KEY), None).await;
    let names: Vec<&Value> =
        listed.body["tenants"].as_array().unwrap().iter().map(|one| &one["tenant"]).collect();
    assert_eq!(names, ["default", "new"]);
    let keys = "/v1/admin/tenants/new/keys";
    let told = send(&stage.recall, "GET", keys, Some(OPERATOR_KEY), None).await;
    assert_eq!(told.body["keys"][0]["id"], id.as_str());
    let told = send(&stage.recall, "DELETE", &format!("{keys}/{id}"), Some(OPERATOR_KEY), None).await;
    assert_eq!(told.status, 204);
    assert_eq!(send(&stage.recall, "GET", "/v1/settings", Some(&key), None).await.status, 401);
    let nowhere = json!({"name": "x", "scopes": ["read"]});
    let told =
        send(&stage.recall, "POST", "/v1/admin/tenants/nowhere/keys", Some(OPERATOR_KEY), Some(nowhere))
            .await;
    assert_eq!(told.status, 404, "{}", told.body);

    // Where keys are required and operators have none, nobody is one.
    let closed = Recall::new(
        stage.services.store.clone(),
        stage.services.hot.clone(),
        Embedder::BuiltIn,
        stage.services.now,
    )
    .with_admin(Admin::from_services(&stage.services).unwrap())
    .with_guard(|guard| guard.with_keys_required(true));
    for key in [None, Some(OPERATOR_KEY)] {
        assert_eq!(send(&closed, "GET", "/v1/admin/tenants", key, None).await.status, 403);
    }
}

#[tokio::test]
async fn what_is_left_of_a_rate_is_told_with_every_answer() {
    let stage = Stage::set().await;
    let recall =
        requiring_keys(&stage.services, stage.services.store.clone(), stage.services.now).with_limit(60);
    let (key, _) = stage.key("acme", &["read"]).await;
    let first = send(&recall, "GET", MEMORIES, Some(&key), None).await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"requests\";q=60;w=60"));
    assert!(
        first.header("ratelimit").is_some_and(|left| left.starts_with("\"requests\";r=9;t=")),
        "{:?}",
        first.headers
    );
    let mut told = first;
    for _ in 0..30 {
        told = send(&recall, "GET", MEMORIES, Some(&key), None).await;
        if told.status == 429 {
            break;
        }
    }
    assert_eq!(told.status, 429);
    assert!(told.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait >= 1)));
    assert!(
        told.header("ratelimit").is_some_and(|left| left.starts_with("\"requests\";r=0;")),
        "{:?}",
        told.headers
    );
}

#[tokio::test]
async fn events_are_taken_in_up_to_the_quotas_and_refused_whole_beyond() {
    let stage = Stage::set().await;
    let hot = &stage.services.hot;
    let now = Timestamp::from_second(2_000_000_000).unwrap();
    let quota = IngestQuota { per_minute: 60, per_day: 100 };
    let own = TenantSettings::default();
    let admit = async |events: u32, now: Timestamp| {
        let events = NonZeroU32::new(events).unwrap();
        quota.admit(hot, &own, &tenant("acme"), events, now).await
    };
    let told = |limits: &[RateLimit]| {
        let mut headers = http::HeaderMap::new();
        for limit in limits {
            limit.tell(&mut headers);
        }
        let all = headers.get_all("ratelimit").iter().map(|value| value.to_str().unwrap().to_owned());
        all.collect::<Vec<_>>().join(", ")
    };
    let left = admit(50, now).await.unwrap();
    assert_eq!(told(&left), "\"events\";r=10;t=50, \"events-per-day\";r=50;t=73600");
    assert_eq!(admit(11, now).await.unwrap_err().status, 429);
    assert_eq!(told(&admit(10, now).await.unwrap()), "\"events\";r=0;t=60, \"events-per-day\";r=40;t=73600");
    assert_eq!(admit(61, now).await.unwrap_err().status, 422, "that many never come at once");
    let later = now.checked_add(jiff::SignedDuration::from_secs(60)).unwrap();
    let refused = admit(41, later).await.unwrap_err();
    assert!(refused.status == 429 && refused.detail.contains("100 events a day"), "{}", refused.detail);
    let tomorrow = now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    assert!(admit(41, tomorrow).await.is_ok());

    let own = TenantSettings { ingest_events_per_minute: Some(0), ingest_events_per_day: Some(0), ..own };
    let many = NonZeroU32::new(1_000_000).unwrap();
    let unlimited = quota.admit(hot, &own, &tenant("acme"), many, now).await.unwrap();
    assert_eq!(unlimited, [], "a tenant's own settings go first");
    assert!(KeyScopes::default().is_empty());
}
