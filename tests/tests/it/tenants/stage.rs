//! The recall function with keys required, and an operator.

use domain::TenantId;
use jiff::Timestamp;
use lambda_http::Body;
use model::Embedder;
use recall::{Admin, Recall};
use runtime::Services;
use secrecy::SecretString;
use serde_json::{Value, json};
use store::Store;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::ground::Ground;

pub(super) const OPERATOR_KEY: &str = "an operator's key, as long as it has to be";

/// Where nobody answers.
pub(super) const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/nothing";

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) owner: Client,
    pub(super) recall: Recall,
    pub(super) aws: TestAws,
    pub(super) _database: TestDatabase,
}

pub(super) struct Told {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

impl Told {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn parameter(&self) -> &str {
        self.body["parameter"].as_str().unwrap_or_default()
    }
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

impl Stage {
    pub(super) async fn set() -> Self {
        let ground = Ground::lay().await;
        let services = ground
            .services(&[("WAKE_UP_QUEUES", &ground.routes(&["indexer"]).await), ("ADMIN_API", "true")])
            .await;
        ground.tenants(&["acme", "other"]).await;
        let Ground { database, aws, owner } = ground;
        let recall = requiring_keys(&services, services.store.clone(), services.now);
        Self { services, owner, recall, aws, _database: database }
    }

    /// A key of a tenant, made by an operator.
    pub(super) async fn key(&self, tenant: &str, scopes: &[&str]) -> (String, String) {
        let path = format!("/v1/admin/tenants/{tenant}/keys");
        let body = json!({"name": "test", "scopes": scopes});
        let told = send(&self.recall, "POST", &path, Some(OPERATOR_KEY), Some(body)).await;
        assert_eq!(told.status, 201, "{}", told.body);
        let text = |name: &str| told.body[name].as_str().unwrap().to_owned();
        (text("key"), text("id"))
    }
}

pub(super) fn requiring_keys(services: &Services, store: Store, now: fn() -> Timestamp) -> Recall {
    Recall::new(store, services.hot.clone(), Embedder::BuiltIn, now)
        .with_admin(Admin::from_services(services).unwrap())
        .with_guard(|guard| {
            guard.with_keys_required(true).with_operator_key(Some(SecretString::from(OPERATOR_KEY)))
        })
}

pub(super) async fn send_as(
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

pub(super) async fn send(
    recall: &Recall,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Option<Value>,
) -> Told {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    send_as(recall, method, path, &headers, body).await
}

pub(super) const MEMORIES: &str = "/v1/users/ada/memories";

pub(super) fn fact(content: &str) -> Value {
    json!({"type": "fact", "content": content})
}
