//! API keys, scopes, settings and quotas, from request to effect: who is let in, as whom, and how much they may ask.

mod lifecycle;
mod limits;
mod lives;
mod stage;

use std::collections::HashMap;

use domain::ApiKey;
use model::Embedder;
use recall::Recall;
use serde_json::{Value, json};

use self::stage::{MEMORIES, OPERATOR_KEY, Stage, fact, send, send_as};

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
