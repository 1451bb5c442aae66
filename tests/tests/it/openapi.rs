//! The `OpenAPI` document: valid, complete, and true of what is answered.

use serde_json::{Value, json};

use crate::isolation::{Stage, Variant};

/// The schema of what `OpenAPI` 3.1 documents are, by the `OpenAPI` Initiative (Apache-2.0).
const META: &str = include_str!("../../fixtures/openapi-3.1.schema.json");

/// Every operation with the method and path it is reached by.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("a document has paths");
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("a path has methods");
            methods.iter().map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

/// A schema of the document's, with what it refers to.
fn schema(document: &Value, of: &Value) -> Value {
    let mut schema = of.clone();
    schema["components"] = document["components"].clone();
    schema
}

#[tokio::test]
async fn the_document_is_valid() {
    let document = Stage::set().await.document().await;
    let meta: Value = serde_json::from_str(META).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&meta)
        .unwrap()
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for (name, component) in document["components"]["schemas"].as_object().unwrap() {
        if let Err(error) = jsonschema::validator_for(&schema(&document, component)) {
            panic!("{name} is no schema: {error}");
        }
    }
}

#[tokio::test]
async fn every_operation_says_what_it_takes_and_answers() {
    let document = Stage::set().await.document().await;
    let mut ids = std::collections::BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at} has no name"));
        assert!(ids.insert(id.to_owned()), "two operations are called {id}");
        let told = operation["summary"].as_str().or(operation["description"].as_str());
        assert!(told.is_some_and(|told| told.len() >= 10), "{at} says nothing of itself");
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{at} has no tag");
        let in_path = path.matches('{').count();
        let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
        let declared = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, declared, "{at} does not say what its path takes");
        let has_header = |name: &str| {
            parameters.iter().any(|parameter| parameter["in"] == "header" && parameter["name"] == name)
        };
        assert_eq!(has_header("afterthought-tenant"), !path.starts_with("/v1/admin/"), "{at} and its tenant");
        for parameter in &parameters {
            assert!(parameter["description"].is_string(), "{at} does not say what {} is", parameter["name"]);
        }
        let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{at} answers nothing"));
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at} never succeeds");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let is_problem = response["content"].get("application/problem+json").is_some();
            assert!(is_problem, "{at} answers {status} with something else than a problem");
        }
        assert!(
            responses.contains_key("503") || path == "/v1/mcp",
            "{at} does not say what it answers without Postgres"
        );
    }
}

#[tokio::test]
async fn what_is_in_the_document_is_routed_and_what_is_not_is_not() {
    let stage = Stage::set().await;
    let document = stage.document().await;
    for (method, path, _) in operations(&document) {
        let target = path.replace("{id}", &uuid::Uuid::nil().to_string()).replace(['{', '}'], "");
        let told = stage.send("acme", &Variant::new(&method, &target)).await;
        assert!(!told.body.contains("no such path") && told.status != 405, "{method} {path}: {}", told.body);
        // TRACE is no method of any path.
        let told = stage.send("acme", &Variant::new("TRACE", &target)).await;
        let allow = told.headers.iter().find(|(name, _)| name == "allow").map(|(_, value)| value.clone());
        let mut allowed: Vec<String> =
            allow.unwrap_or_default().split(',').map(|method| method.trim().to_owned()).collect();
        allowed.retain(|method| method != "HEAD");
        allowed.sort();
        let documented = document["paths"][&path].as_object().unwrap();
        let mut documented: Vec<String> = documented.keys().map(|method| method.to_uppercase()).collect();
        documented.sort();
        assert_eq!((told.status, allowed), (405, documented), "{path}");
    }
    let told = stage.send("acme", &Variant::new("GET", "/v1/nothing")).await;
    assert_eq!(told.status, 404);
}

/// The schema that an answer is to have.
fn expected(document: &Value, method: &str, path: &str, status: u16, kind: &str) -> Option<Value> {
    let response = &document["paths"][path][method.to_lowercase()]["responses"][status.to_string()];
    let of = &response["content"].get(kind)?["schema"];
    Some(schema(document, of))
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let stage = Stage::set().await;
    let document = stage.document().await;
    let (review, memory) = (stage.victim.review, stage.victim.memory);
    let mut seen = std::collections::BTreeSet::new();
    let requests: Vec<(&str, &str, String, Option<Value>)> = vec![
        ("GET", "/v1/health", "/v1/health".into(), None),
        ("GET", "/v1/users/{user}/recall", "/v1/users/ada/recall?query=where+is+the+key&k=3".into(), None),
        ("GET", "/v1/users/{user}/recall", "/v1/users/ada/recall?query=".into(), None),
        ("GET", "/v1/users/{user}/hydrate", "/v1/users/ada/hydrate".into(), None),
        ("GET", "/v1/users/{user}/hydrate", "/v1/users/ada/hydrate?query=key".into(), None),
        ("GET", "/v1/users/{user}/hydrate", "/v1/users/nobody/hydrate".into(), None),
        ("GET", "/v1/users/{user}/status", "/v1/users/ada/status?limit=1".into(), None),
        ("GET", "/v1/users/{user}/status", "/v1/users/ada/status?limit=0".into(), None),
        ("GET", "/v1/users/{user}/memories", "/v1/users/ada/memories?limit=1".into(), None),
        ("GET", "/v1/users/{user}/memories/{id}", format!("/v1/users/ada/memories/{memory}"), None),
        ("GET", "/v1/users/{user}/memories/{id}", format!("/v1/users/bob/memories/{memory}"), None),
        (
            "PATCH",
            "/v1/users/{user}/memories/{id}",
            format!("/v1/users/ada/memories/{memory}"),
            Some(json!({"version": 1, "pinned": true})),
        ),
        (
            "POST",
            "/v1/users/{user}/memories",
            "/v1/users/ada/memories".into(),
            Some(json!({"type": "fact", "content": "the roof has bees"})),
        ),
        (
            "POST",
            "/v1/users/{user}/memories/{id}/correct",
            format!("/v1/users/ada/memories/{memory}/correct"),
            Some(json!({"version": 9, "content": "no key"})),
        ),
        ("GET", "/v1/keys", "/v1/keys".into(), None),
        ("POST", "/v1/keys", "/v1/keys".into(), Some(json!({"name": "ci", "scopes": ["read"]}))),
        ("POST", "/v1/keys", "/v1/keys".into(), Some(json!({"name": "ci", "scopes": []}))),
        (
            "POST",
            "/v1/keys/{id}/rotate",
            format!("/v1/keys/{}/rotate", stage.victim.api_key),
            Some(json!({"overlap_seconds": 0})),
        ),
        ("DELETE", "/v1/keys/{id}", format!("/v1/keys/{}", uuid::Uuid::nil()), None),
        ("GET", "/v1/settings", "/v1/settings".into(), None),
        ("PATCH", "/v1/settings", "/v1/settings".into(), Some(json!({"review": {"types": ["fact"]}}))),
        ("PATCH", "/v1/settings", "/v1/settings?version=1".into(), Some(json!({"memories_per_user": 7}))),
        ("PATCH", "/v1/settings", "/v1/settings".into(), Some(json!({"agent_concurrency": 7}))),
        ("GET", "/v1/reviews", "/v1/reviews?limit=1".into(), None),
        ("GET", "/v1/reviews", "/v1/reviews?type=mood".into(), None),
        ("GET", "/v1/reviews/{id}", format!("/v1/reviews/{review}"), None),
        ("GET", "/v1/reviews/{id}", format!("/v1/reviews/{}", uuid::Uuid::nil()), None),
        ("POST", "/v1/reviews/{id}", format!("/v1/reviews/{review}"), Some(json!({"decision": "guess"}))),
        ("POST", "/v1/reviews/{id}", format!("/v1/reviews/{review}"), Some(json!({"decision": "approve"}))),
        ("POST", "/v1/reviews/{id}", format!("/v1/reviews/{review}"), Some(json!({"decision": "reject"}))),
        ("GET", "/v1/reviews/{id}", format!("/v1/reviews/{review}"), None),
    ];
    for (method, path, target, body) in requests {
        let told = stage.send("acme", &Variant { body, ..Variant::new(method, &target) }).await;
        let kind = told.headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, kind)| kind);
        let schema = expected(&document, method, path, told.status, kind);
        let schema = schema
            .unwrap_or_else(|| panic!("{method} {path} does not say it answers {} {kind}", told.status));
        let answer: Value = serde_json::from_str(&told.body).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{method} {target}: {answer}\n{errors:#?}");
        // What the schema does not know is not described.
        seen.insert((method, path, told.status));
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[tokio::test]
async fn paths_are_read_as_they_are_sent() {
    let stage = Stage::set().await;
    for (path, status) in [
        ("/v1/users/ada/status", 200),
        ("/v1/users/a%2Fb/status", 200),
        ("/v1/users/%C3%A4da%20l/status", 200),
        ("/v1/users/a/b/status", 404),
        ("/v1/users/%FF/status", 400),
        ("/v1/users/a%0Ab/status", 400),
        ("/v1/users/ada lovelace/status", 400),
        ("/v1/users//status", 400),
        ("/v2/users/ada/status", 404),
    ] {
        assert_eq!(stage.status_of_raw(path).await, status, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let stage = Stage::set().await;
    let target = format!("/v1/reviews/{}", stage.victim.review);
    let body = json!({"decision": "reject", "note": "x".repeat(64 * 1024)});
    let told = stage.send("acme", &Variant { body: Some(body), ..Variant::new("POST", &target) }).await;
    let problem: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!((told.status, &problem["parameter"]), (413, &json!("body")), "{problem}");
}
