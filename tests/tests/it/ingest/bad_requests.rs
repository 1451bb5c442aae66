//! What is wrong with a request is said by its name, and nothing of it is taken.

use serde_json::{Value, json};

use super::stage::{Stage, event};

#[tokio::test]
async fn a_bad_batch_is_refused_as_a_whole_and_the_field_named() {
    let stage = Stage::set().await;
    let with = |field: &str, value: Value| {
        let mut wrong = event("ada", "chat", "hello");
        wrong[field] = value;
        json!({"events": [event("ada", "chat", "good"), wrong]}).to_string()
    };
    let without = |field: &str| {
        let mut wrong = event("ada", "chat", "hello");
        wrong.as_object_mut().unwrap().remove(field);
        json!({"events": [event("ada", "chat", "good"), wrong]}).to_string()
    };
    let nested = |levels: usize| {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!(
            r#"{{"events":[{{"user":"ada","session":"chat","role":"user","content":"x","payload":{{"a":{deep}}}}}]}}"#
        )
    };
    let escaped = |text: &str| {
        format!(r#"{{"events":[{{"user":"ada","session":"chat","role":"user","content":"{text}"}}]}}"#)
    };
    let cases: Vec<(String, u16, &str)> = vec![
        (String::new(), 400, "body"),
        ("{".into(), 400, "body"),
        ("[]".into(), 400, "body"),
        ("null".into(), 400, "body"),
        ("\u{feff}{}".into(), 400, "body"),
        (json!({"events": []}).to_string(), 400, "events"),
        (json!({"events": vec![event("ada", "chat", "x"); 101]}).to_string(), 400, "events"),
        (json!({"events": [event("ada", "chat", "x")], "more": 1}).to_string(), 400, "more"),
        (json!({"events": {}}).to_string(), 400, "events"),
        (without("user"), 400, "events[1].user"),
        (without("session"), 400, "events[1].session"),
        (without("role"), 400, "events[1].role"),
        (without("content"), 400, "events[1].content"),
        (with("user", json!("")), 400, "events[1].user"),
        (with("user", json!("x".repeat(201))), 400, "events[1].user"),
        (with("user", json!("a\0b")), 400, "events[1].user"),
        (with("user", json!(7)), 400, "events[1].user"),
        (with("session", json!("a\nb")), 400, "events[1].session"),
        (with("role", json!("robot")), 400, "events[1].role"),
        (with("type", json!("shout")), 400, "events[1].type"),
        (with("content", json!("a\0b")), 400, "events[1].content"),
        (with("content", json!("x".repeat(262_145))), 400, "events[1].content"),
        (with("speaker", json!("")), 400, "events[1].speaker"),
        (with("payload", json!([])), 400, "events[1].payload"),
        (with("payload", json!({"a\0": 1})), 400, "events[1].payload"),
        (with("payload", json!({"a": "x".repeat(262_144)})), 400, "events[1].payload"),
        (with("idempotency_key", json!("k".repeat(256))), 400, "events[1].idempotency_key"),
        (with("occurred_at", json!("yesterday")), 400, "events[1].occurred_at"),
        (with("occurred_at", json!("-000044-03-15T00:00:00Z")), 400, "events[1].occurred_at"),
        (with("schema_version", json!(3)), 400, "events[1].schema_version"),
        (with("surprise", json!(1)), 400, "surprise"),
        (nested(100), 400, "events[0].payload"),
        (nested(10_000), 400, "events[0].payload"),
        (escaped(r"\ud800"), 400, "events[0].content"),
        (escaped(r"\udc00 \ud800"), 400, "events[0].content"),
        (escaped(&r"\u0001".repeat(174_740)), 413, "body"),
        (escaped(&"x".repeat(1_048_577)), 413, "body"),
        (r#"{"events":[{"user":"ada","user":"bob","session":"chat","role":"user","content":"x"}]}"#.into(), 400, "events[0]"),
        (r#"{"events":[{"user":"ada","session":"chat","role":"user","content":"x","payload":{"n":1e999}}]}"#.into(), 400, "events[0].payload"),
    ];
    for (body, status, parameter) in cases {
        let beginning: String = body.chars().take(120).collect();
        let (answered, problem) = stage.post("/v1/events", &[], &body).await;
        assert_eq!(answered, status, "{beginning}: {problem}");
        let named = problem["parameter"].as_str().unwrap();
        assert!(named == parameter || named.starts_with(parameter), "{beginning}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().contains("hello"), "{problem}");
    }
    for (headers, status, parameter) in [
        (("content-type", "text/plain"), 415, "content-type"),
        (("content-type", "application/json; charset=utf-16"), 415, "content-type"),
        (("content-encoding", "gzip"), 415, "content-type"),
        (("idempotency-key", ""), 400, "idempotency-key"),
        (("afterthought-tenant", ""), 400, "afterthought-tenant"),
    ] {
        let good = json!({"events": [event("ada", "chat", "x")]}).to_string();
        let (answered, problem) = stage.post("/v1/events", &[headers], &good).await;
        assert_eq!((answered, &problem["parameter"]), (status, &json!(parameter)), "{headers:?}: {problem}");
    }
    for path in ["/v1/event", "/", "/v1/events/", "/v1/%ff"] {
        assert_eq!(stage.post(path, &[], "{}").await.0, 404, "{path}");
    }
    assert_eq!(stage.waiting().await, 0);
    assert_eq!(stage.pending("ada", "chat").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_key_of_a_request_that_the_queue_cannot_take_stays_free() {
    let stage = Stage::set().await;
    let key = [("idempotency-key", "once")];
    // Short enough to be read, and too long once it is written as the queue has it.
    let long = json!({"events": [event("ada", "chat", &"\u{1}".repeat(174_740))]}).to_string();
    let (status, problem) = stage.post("/v1/events", &key, &long).await;
    assert_eq!((status, &problem["parameter"]), (413, &json!("body")), "{problem}");
    let good = json!({"events": [event("ada", "chat", "hello")]}).to_string();
    let (status, accepted) = stage.post("/v1/events", &key, &good).await;
    assert_eq!(status, 202, "{accepted}");
    let (status, repeated) = stage.post("/v1/events", &key, &good).await;
    assert_eq!((status, &repeated), (202, &accepted), "the same answer");
    let other = json!({"events": [event("ada", "chat", "bye")]}).to_string();
    assert_eq!(stage.post("/v1/events", &key, &other).await.0, 422);
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["hello"]);
}
