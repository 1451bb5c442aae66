//! Requests: what is wrong with them, how many there may be, and how they filter.

use model::Embedder;
use recall::Recall;
use runtime::Services;
use serde_json::{Value, json};

use super::stage::{Stage, get, texts};

#[tokio::test]
async fn a_wrong_request_is_told_what_is_wrong_with_it() {
    let stage = Stage::set().await;
    for (path, query_string, status, parameter) in [
        ("/v1/users/ada/recall", "", 400, json!("query")),
        ("/v1/users/ada/recall", "query=x&k=0", 400, json!("k")),
        ("/v1/users/ada/recall", "query=x&top=5", 400, json!("top")),
        ("/v1/users/%00/recall", "query=x", 400, json!("user")),
        ("/v1/users/ada/forget", "", 404, Value::Null),
    ] {
        let (got, problem) = stage.get("default", path, query_string).await;
        assert_eq!((got, &problem["status"]), (status, &json!(status)), "{path}");
        assert_eq!(problem["parameter"], parameter, "{path}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
    assert_eq!(stage.ok("default", "/v1/health", "").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn more_than_a_tenants_rate_is_refused_with_the_time_to_wait() {
    let stage = Stage::set().await;
    let recall = |per_minute| {
        let Services { store, hot, now, .. } = &stage.services;
        Recall::new(store.clone(), hot.clone(), Embedder::BuiltIn, *now).with_limit(per_minute)
    };
    let ask = async |recall: &Recall, tenant: &str| {
        let (status, answer) = get(recall, tenant, "/v1/users/ada/recall", "query=x").await;
        (status, answer["detail"].as_str().unwrap_or_default().to_owned())
    };
    let limited = recall(60);
    let mut answers = Vec::new();
    for _request in 0..14 {
        answers.push(ask(&limited, "default").await);
    }
    assert!(answers[..10].iter().all(|(status, _)| *status == 200), "the burst");
    let refused = answers[10..].iter().find(|(status, _)| *status == 429);
    assert_eq!(refused.unwrap().1, "the tenant may ask 60 times a minute; ask again in 1 s");

    let own = "update afterthought.tenants set settings = '{\"recall_requests_per_minute\": 0}'";
    stage.owner.batch_execute(own).await.unwrap();
    let unlimited = recall(1);
    for _request in 0..12 {
        assert_eq!(ask(&unlimited, "acme").await.0, 200, "a tenant's own setting goes first");
    }
}

#[tokio::test]
async fn a_filter_is_read_from_the_request_and_the_same_is_said_once() {
    let stage = Stage::set().await;
    let session = stage.indexed("acme", "ada", "chat", &["Ada: I sail.", "Ada: The boat is red."]).await;
    let one = stage.remember(session, "user", "fact", "The boat is red.", 1).await;
    let other = stage.remember(session, "user", "entity", "boat is Red", 1).await;
    stage.remember(session, "session", "summary", "Ada talks of a boat.", 1).await;
    let answer = stage.ok("acme", "/v1/users/ada/recall", "query=red+boat&k=10").await;
    let (first, ids) = (&answer["memories"][0], [one.to_string(), other.to_string()]);
    assert_eq!(texts(&answer, "memories").len(), 2);
    assert!(ids.contains(&first["id"].as_str().unwrap().to_owned()));
    assert!(ids.contains(&first["stands_for"][0].as_str().unwrap().to_owned()));
    assert_eq!(first["evidence_count"], 1);
    for (query, expected) in [
        ("type=summary,pattern", vec!["Ada talks of a boat."]),
        ("scope=session", vec!["Ada talks of a boat."]),
        ("session=nowhere", vec![]),
        ("until=2020-01-01T00:00:00Z", vec![]),
        ("as_of=2020-01-01T00:00:00Z", vec![]),
    ] {
        let answer = stage.ok("acme", "/v1/users/ada/recall", &format!("query=boat&{query}")).await;
        assert_eq!(texts(&answer, "memories"), expected, "{query}");
    }
    for (query, parameter) in [
        ("type=poem", "type"),
        ("scope=everybody", "scope"),
        ("since=yesterday", "since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("session=", "session"),
    ] {
        let (status, problem) =
            stage.get("acme", "/v1/users/ada/recall", &format!("query=boat&{query}")).await;
        assert_eq!((status, problem["parameter"].as_str()), (400, Some(parameter)), "{problem}");
    }
}

#[tokio::test]
async fn a_filter_holds_for_events_too() {
    let stage = Stage::set().await;
    for (session, line) in [("first", "Ada: The boat is red."), ("second", "Ada: The boat is blue.")] {
        let id = stage.say("acme", "ada", session, &[line]).await;
        let year = if session == "first" { 2024 } else { 2025 };
        let set = format!(
            "update afterthought.session_events set occurred_at = '{year}-06-01T00:00:00Z' where session_id = $1"
        );
        stage.owner.execute(&set, &[&id.0]).await.unwrap();
        stage.wake("acme", id).await;
    }
    stage.indexed("acme", "bob", "first", &["Bob: My boat is green."]).await;
    let (red, blue) = ("The boat is red.", "The boat is blue.");
    for (query, expected) in [
        ("", vec![blue, red]),
        ("&session=first", vec![red]),
        ("&session=third", vec![]),
        ("&since=2025-06-01T00:00:00Z", vec![blue]),
        ("&until=2025-06-01T00:00:00Z", vec![red]),
        ("&as_of=2024-06-01T00:00:00Z", vec![red]),
        ("&as_of=2024-05-31T00:00:00Z", vec![]),
        ("&session=second&until=2025-01-01T00:00:00Z", vec![]),
        ("&type=fact&scope=user", vec![blue, red]),
    ] {
        let answer = stage.ok("acme", "/v1/users/ada/recall", &format!("query=boat{query}")).await;
        let mut events = texts(&answer, "events");
        events.sort_unstable();
        assert_eq!(events, expected, "{query}");
    }
}
