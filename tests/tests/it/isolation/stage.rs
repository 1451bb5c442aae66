//! Two tenants with secrets, a tenant without any, and the function that knows them all.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Reach, SessionId, TenantId, WakeUp};
use indexer::Indexer;
use ingester::Ingester;
use lambda_http::{Body, RequestExt};
use model::Embedder;
use queue::SqsEvent;
use recall::{Admin, Recall};
use runtime::Services;
use serde_json::{Value, json};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;
use webhook::Webhook;

use crate::delivery::deliver;
use crate::ground::Ground;
use crate::notifier::sealer;

use super::attack::{Variant, Victim};

const SESSION: &str = "quokka-evening";
const KEY: &str = "quokka-request";
/// In every secret of the victim.
const MARK: &str = "quokka";
/// In what everybody in the victim's tenant may see, and nobody outside.
const TENANT_MARK: &str = "numbat";

pub(crate) struct Stage {
    pub(crate) victim: Victim,
    recall: Recall,
    /// The same function where keys are required.
    keyed: Recall,
    webhook: Webhook,
    ingester: Ingester,
    /// Of what the webhook has accepted.
    queue: String,
    aws: TestAws,
    owner: Client,
    hot_table: String,
    _database: TestDatabase,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An item's value with its fields in order.
fn written(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(fields) => {
            let fields: BTreeMap<&String, String> =
                fields.iter().map(|(name, value)| (name, written(value))).collect();
            format!("{fields:?}")
        }
        AttributeValue::L(items) => format!("{:?}", items.iter().map(written).collect::<Vec<_>>()),
        plain => format!("{plain:?}"),
    }
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let ground = Ground::lay().await;
        let queue = ground.aws.create_fifo_queue("ingest").await.unwrap();
        let services = ground
            .services(&[
                ("WAKE_UP_QUEUES", &ground.routes(&["indexer"]).await),
                ("ADMIN_API", "true"),
                (webhook::QUEUE, &queue),
                (ingester::DEAD_LETTERS, &ground.aws.create_fifo_queue("ingest-dlq").await.unwrap()),
            ])
            .await;
        ground.tenants(&["acme", "rival", "empty"]).await;
        let Ground { database, aws, owner } = ground;
        let function = || {
            Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, services.now)
                .with_indexer(services.publisher.clone(), &services.config.routes)
                .with_admin(Admin::from_services(&services).unwrap())
                .with_webhooks(sealer(), Reach::Public, None)
        };
        let (recall, keyed) = (function(), function().with_guard(|guard| guard.with_keys_required(true)));
        let webhook = Webhook::from_services(&services).await.unwrap();
        let ingester = Ingester::from_services(&services).unwrap();
        let victim = Victim {
            tenant: "acme",
            user: "ada",
            session: SESSION,
            key: KEY,
            memory: Uuid::now_v7(),
            review: Uuid::now_v7(),
            endpoint: Uuid::now_v7(),
            api_key: Uuid::now_v7(),
            operation: 0,
            erasure: Uuid::nil(),
            source: Uuid::now_v7(),
            source_name: "quokka-source",
        };
        let hot_table = services.config.hot_table.clone();
        let mut stage = Self {
            victim,
            recall,
            keyed,
            webhook,
            ingester,
            queue,
            aws,
            owner,
            hot_table,
            _database: database,
        };
        stage.plant(&services).await;
        stage.plant_state().await;
        stage.plant_source().await;
        stage
    }

    async fn plant_source(&self) {
        self.owner
            .execute(
                "insert into afterthought.webhook_sources (id, tenant, name, mapping, secrets) values ($1, $2, $3, $4, $5)",
                &[
                    &self.victim.source,
                    &self.victim.tenant,
                    &self.victim.source_name,
                    &json!({"kind": "slack"}),
                    &json!([{"id": self.victim.source, "sealed": "00", "created_at": "2027-01-15T08:00:00Z"}]),
                ],
            )
            .await
            .unwrap();
    }

    /// Gives the victim one of everything, two where there are lists.
    async fn plant(&self, services: &Services) {
        // Told of everything that follows.
        self.owner
            .execute(
                "insert into afterthought.webhook_endpoints (id, tenant, url, description, secret)
                 values ($1, 'acme', 'https://quokka.example', 'quokka', '\\x01')",
                &[&self.victim.endpoint],
            )
            .await
            .unwrap();
        let mut sessions = Vec::new();
        for session in [SESSION, "quokka-morning"] {
            let row = self
                .owner
                .query_one(
                    "insert into afterthought.messages (tenant, user_id, session, role, speaker, content)
                     values ('acme', 'ada', $1, 'user', 'Quincy quokka', 'the quokka key is in the lighthouse')
                     returning session_id",
                    &[&session],
                )
                .await
                .unwrap();
            sessions.push(row.get::<_, Uuid>(0));
        }
        let session = sessions[0];
        let memories = [
            (self.victim.memory, "user", "fact", "active"),
            (Uuid::now_v7(), "session", "fact", "active"),
            (Uuid::now_v7(), "session", "summary", "active"),
            (Uuid::now_v7(), "user", "preference", "active"),
            (self.victim.review, "user", "entity", "pending_review"),
            (Uuid::now_v7(), "user", "fact", "pending_review"),
        ];
        for (index, (id, scope, kind, status)) in memories.into_iter().enumerate() {
            let key = format!("quokka {index}");
            self.owner
                .execute(
                    "with made as (
                         insert into afterthought.memories
                             (id, tenant, user_id, session_id, scope, type, key, content, data, confidence, agent,
                              model, valid_from, status, on_conflict, review_reason)
                         values ($1, 'acme', 'ada', $2, $3, $4, $5, 'the lighthouse key of the ' || $5,
                                 jsonb_build_object('secret', $5), 0.9, 'summarizer', 'quokka/1', now(), $6,
                                 case when $6 = 'pending_review' then 'merge' end,
                                 case when $6 = 'pending_review' then 'agent_asked' end)
                         returning id, tenant
                     )
                     insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
                     select id, $2, 1, tenant from made",
                    &[&id, &session, &scope, &kind, &key, &status],
                )
                .await
                .unwrap();
        }
        self.owner
            .batch_execute(&format!(
                "insert into afterthought.profiles (tenant, user_id, preferences, learned_facts)
                 values ('acme', 'ada', '{{\"pet\": \"quokka\"}}', '[\"quokka\"]');
                 insert into afterthought.requests (tenant, user_id, key, fingerprint, answer)
                 values ('acme', 'ada', '{KEY}', sha256('quokka'), '{{\"outcome\": \"quokka\"}}')"
            ))
            .await
            .unwrap();
        self.owner
            .execute(
                "insert into afterthought.api_keys (id, tenant, name, hint, hash, scopes)
                 values ($1, 'acme', 'quokka key', 'aft_quokka', sha256('quokka'), '{read}')",
                &[&self.victim.api_key],
            )
            .await
            .unwrap();
        // What was said is indexed, and in hot state.
        let indexer =
            Indexer::new(Embedder::BuiltIn, services.store.clone(), services.hot.clone(), services.now);
        for session in sessions {
            let tenant = TenantId::new("acme").unwrap();
            let wake_up = WakeUp::Session { tenant, session: SessionId(session), version: 1 };
            assert!(deliver(services, &indexer, wake_up).await);
        }
    }

    /// Gives the victim a checkpoint and an operation, as an application would.
    async fn plant_state(&mut self) {
        let of_session = format!("/v1/users/ada/sessions/{SESSION}");
        let send = async |method: &str, path: &str, body: Value| {
            let target = format!("{of_session}/{path}");
            let variant = Variant { body: Some(body), ..Variant::new(method, &target) };
            let told = self.send("acme", &variant).await;
            assert!(told.status < 300, "{target}: {}", told.body);
            serde_json::from_str::<Value>(&told.body).unwrap_or_default()
        };
        for path in ["working-memory", "tools/quokka-finder"] {
            send("PUT", path, json!({"secret": "quokka"})).await;
        }
        send("POST", "checkpoints", json!({"node_id": "quokka", "state": {"secret": "quokka"}})).await;
        let begun =
            send("POST", "operations", json!({"name": "quokka", "input": {"secret": "quokka"}, "key": KEY}))
                .await;
        let id = begun["operation"]["id"].as_i64();
        // Of nothing that is there.
        let mut erasures = Vec::new();
        for gone in ["quokka-noon", "quokka-night"] {
            let body = json!({"subject": "session", "session": gone});
            let asked = Variant { body: Some(body), ..Variant::new("POST", "/v1/users/ada/erasures") };
            let told = self.send("acme", &asked).await;
            assert_eq!(told.status, 202, "{}", told.body);
            erasures.push(serde_json::from_str::<Value>(&told.body).unwrap());
        }
        self.victim.erasure = erasures[0]["id"].as_str().unwrap().parse().unwrap();
        self.victim.operation = id.unwrap_or_else(|| panic!("an operation has an id: {begun}"));
    }

    /// Gives the victim's tenant a memory that all its users have.
    pub(crate) async fn plant_for_everybody(&self) {
        self.owner
            .batch_execute(
                "insert into afterthought.memories
                     (id, tenant, scope, type, key, content, confidence, agent, model, valid_from)
                 values (gen_random_uuid(), 'acme', 'global', 'fact', 'numbat', 'the lighthouse key of the numbat', 1,
                         'test', 'test', now())",
            )
            .await
            .unwrap();
    }

    /// What must not be told: texts, names and identifiers.
    pub(crate) async fn secrets(&self, is_other_tenant: bool) -> Vec<String> {
        let ids = self
            .owner
            .query(
                "select id::text from afterthought.sessions where tenant = 'acme' and user_id = 'ada'
                 union all select id::text from afterthought.memories where tenant = 'acme' and (user_id = 'ada' or $1)
                 union all select id::text from afterthought.api_keys where tenant = 'acme' and $1
                 union all select id::text from afterthought.agent_runs where tenant = 'acme'
                     and session_id in (select id from afterthought.sessions where tenant = 'acme' and user_id = 'ada')",
                &[&is_other_tenant],
            )
            .await
            .unwrap();
        let ids: Vec<String> = ids.iter().map(|row| row.get(0)).collect();
        let short = ids.iter().map(|id: &String| id.replace('-', ""));
        let mut secrets: Vec<String> = short.chain(ids.iter().cloned()).collect();
        secrets.extend([MARK, SESSION, KEY, "Quincy"].map(str::to_owned));
        secrets.extend(is_other_tenant.then(|| TENANT_MARK.to_owned()));
        secrets
    }

    /// Every row and every item of the victim's.
    pub(crate) async fn everything_of_the_victim(&self) -> BTreeMap<String, Vec<String>> {
        let columns = self
            .owner
            .query(
                "select c.table_name::text, c.column_name::text from information_schema.columns c
                 join information_schema.tables t using (table_schema, table_name)
                 where c.table_schema = 'afterthought' and t.table_type = 'BASE TABLE'",
                &[],
            )
            .await
            .unwrap();
        let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in &columns {
            tables.entry(row.get(0)).or_default().insert(row.get(1));
        }
        let own = "tenant = 'acme' and user_id = 'ada'";
        let mut everything = BTreeMap::new();
        for (table, columns) in tables {
            let has = |column: &str| columns.contains(column);
            let whose = if has("tenant") && has("user_id") {
                own.to_owned()
            } else if has("tenant") && has("owner") {
                "tenant = 'acme' and owner = 'ada'".to_owned()
            } else if has("user_digest") {
                "user_digest = afterthought.subject_digest('acme', 'ada')".to_owned()
            } else if has("session_id") {
                format!("session_id in (select id from afterthought.sessions where {own})")
            } else if has("memory_id") {
                format!("memory_id in (select id from afterthought.memories where {own})")
            } else if has("tenant") {
                "tenant = 'acme'".to_owned()
            } else {
                "true".to_owned()
            };
            let read = format!("select t::text from afterthought.{table} t where {whose} order by 1");
            let rows = self.owner.query(&read, &[]).await.unwrap();
            everything.insert(table, rows.iter().map(|row| row.get(0)).collect());
        }
        let scanned = self.aws.dynamodb().scan().table_name(&self.hot_table).send().await.unwrap();
        let of_victim = scanned.items().iter().filter(|item| {
            item.get("pk").and_then(|pk| pk.as_s().ok()).is_some_and(|pk| pk.contains("#acme#ada"))
        });
        let mut items: Vec<String> =
            of_victim.map(|item| written(&AttributeValue::M(item.clone()))).collect();
        items.sort();
        assert!(!items.is_empty(), "the victim is in hot state");
        everything.insert("hot state".to_owned(), items);
        everything
    }

    /// Sends a request as a tenant.
    pub(crate) async fn send(&self, tenant: &str, variant: &Variant) -> Response {
        self.send_to(&self.recall, tenant, variant).await
    }

    /// Sends a request about a tenant with a key, where keys are required.
    pub(crate) async fn send_with_key(&self, key: &str, tenant: &str, variant: &Variant) -> Response {
        let mut variant = variant.clone();
        variant.headers.push(("authorization", format!("Bearer {key}")));
        self.send_to(&self.keyed, tenant, &variant).await
    }

    /// A key of a tenant with which everything may be done.
    pub(crate) async fn key_of(&self, tenant: &str) -> String {
        let body = json!({"name": "test", "scopes": ["read", "ingest", "admin"]});
        let told = self.send(tenant, &Variant { body: Some(body), ..Variant::new("POST", "/v1/keys") }).await;
        let told: Value = serde_json::from_str(&told.body).unwrap();
        told["key"].as_str().unwrap_or_else(|| panic!("a key is shown once: {told}")).to_owned()
    }

    /// Stores what the webhook has accepted.
    pub(crate) async fn ingest(&self) {
        let messages = self.aws.drain(&self.queue).await.unwrap();
        let records: Vec<Value> = messages
            .iter()
            .map(|message| json!({"messageId": message.message_id(), "body": message.body(), "attributes": {}}))
            .collect();
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let response = self.ingester.handle(event).await;
        assert!(response.batch_item_failures.is_empty(), "not everything was stored");
    }

    /// Sends a request to the function that has its path.
    async fn send_to(&self, recall: &Recall, tenant: &str, variant: &Variant) -> Response {
        let mut request = http::Request::builder()
            .method(variant.method.as_str())
            .uri(&variant.target)
            .header("host", "recall.test")
            .header("afterthought-tenant", tenant);
        for (name, value) in &variant.headers {
            request = request.header(*name, value);
        }
        let body = match &variant.body {
            Some(body) => {
                if variant.headers.iter().all(|(name, _)| *name != "content-type") {
                    request = request.header("content-type", "application/json");
                }
                Body::Text(body.to_string())
            }
            None => Body::Empty,
        };
        let request = request.body(body).unwrap();
        let response = if variant.target.starts_with("/v1/events") {
            self.webhook.handle(request).await
        } else {
            recall.handle(request).await
        };
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        Response {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(response.body().to_vec()).unwrap(),
        }
    }

    /// The status of what is answered to a path as it is, which no client would send.
    pub(crate) async fn status_of_raw(&self, path: &str) -> u16 {
        let request =
            http::Request::builder().uri("/").header("host", "recall.test").body(Body::Empty).unwrap();
        self.recall.handle(request.with_raw_http_path(path)).await.status().as_u16()
    }

    /// The `OpenAPI` document.
    pub(crate) async fn document(&self) -> Value {
        let told = self.send("acme", &Variant::new("GET", "/v1/openapi.json")).await;
        serde_json::from_str(&told.body).unwrap()
    }

    /// The webhook's.
    pub(crate) async fn webhook_document(&self) -> Value {
        let request = http::Request::builder().uri("/v1/openapi.json").header("host", "webhook.test");
        let told = self.webhook.handle(request.body(Body::Empty).unwrap()).await;
        serde_json::from_slice(told.body()).unwrap()
    }

    /// The tools, as a client that is set up for `user` sees them.
    pub(crate) async fn tools(&self, user: &str) -> Vec<Value> {
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let told = self.send("acme", &Variant::mcp(list, Some(user))).await;
        let told: Value = serde_json::from_str(&told.body).unwrap();
        told["result"]["tools"].as_array().expect("there are tools").clone()
    }

    /// Where the first page of the victim's list ends, of an operation that lists.
    pub(crate) async fn cursor(&self, method: &str, path: &str, operation: &Value) -> Option<String> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let names: Vec<&str> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
        if !names.contains(&"after") {
            return None;
        }
        if path.ends_with("/export") {
            // The log, from its beginning on.
            return Some(format!("2.{}.-1.", Uuid::nil().simple()));
        }
        if path.contains("{session}") {
            // Within a session a page ends at a version or a number.
            return Some("1".to_owned());
        }
        let path =
            path.replace("{user}", self.victim.user).replace("{id}", &self.victim.endpoint.to_string());
        let told = self.send(self.victim.tenant, &Variant::new(method, &format!("{path}?limit=1"))).await;
        let body: Value = serde_json::from_str(&told.body).unwrap();
        let next = body["next"].as_str();
        Some(next.unwrap_or_else(|| panic!("{method} {path} has one page: plant two of them")).to_owned())
    }
}
