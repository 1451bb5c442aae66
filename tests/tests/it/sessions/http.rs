use std::collections::HashMap;

use model::Embedder;
use recall::Recall;
use runtime::{Config, Services};
use serde_json::Value;
use testkit::TestAws;

use super::*;
use crate::asking::ask;

/// The function over HTTP.
struct Stage {
    world: World,
    recall: Recall,
    _aws: TestAws,
}

impl Stage {
    async fn set() -> Self {
        let world = World::start().await;
        let aws = TestAws::create().await.unwrap();
        let hot_table = aws.create_hot_table().await.unwrap();
        let queues = format!("indexer={}", aws.create_queue("indexer").await.unwrap());
        let variables: HashMap<String, String> =
            [("DATABASE_URL", world.database.url()), ("HOT_TABLE", &hot_table), ("WAKE_UP_QUEUES", &queues)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let config = Config::from_map(&variables).unwrap();
        let services = Services::with_aws(&config, aws.config().clone()).await.unwrap();
        let recall = Recall::new(services.store, services.hot, Embedder::BuiltIn, services.now);
        Self { world, recall, _aws: aws }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &Value,
        key: Option<&str>,
    ) -> (u16, Value) {
        let body = (!body.is_null()).then(|| body.to_string());
        let mut headers = vec![("afterthought-tenant", "default")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let answered = ask(&self.recall, method, &format!("{path}?{query}"), &headers, body.as_deref()).await;
        (answered.status, answered.json())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", &format!("/v1/users/ada/sessions/work{path}"), "", &body, None).await
    }

    async fn get(&self, path: &str, query: &str) -> (u16, Value) {
        self.send("GET", &format!("/v1/users/ada/sessions/work{path}"), query, &Value::Null, None).await
    }
}

#[tokio::test]
async fn a_log_is_written_and_read_over_http_and_its_state_is_at_any_version() {
    let stage = Stage::set().await;
    let events = json!({"events": [
        {"type": "message", "role": "user", "content": "hello", "idempotency_key": "a"},
        {"type": "tool_call", "payload": {"name": "search", "result": [1]}},
        {"type": "node_transition", "payload": {"to": "plan"}, "occurred_at": "2026-01-02T03:04:05Z"},
    ], "expected_version": 0});
    let path = "/v1/users/ada/sessions/work/events";
    let (status, first) = stage.send("POST", path, "", &events, Some("once")).await;
    assert_eq!(
        (status, &first["versions"], &first["version"]),
        (201, &json!([1, 2, 3]), &json!(3)),
        "{first}"
    );
    assert_eq!(
        stage.send("POST", path, "", &events, Some("once")).await,
        (201, first),
        "the answer was lost"
    );
    let (status, problem) = stage.post("/events", events.clone()).await;
    assert_eq!((status, &problem["current"]), (409, &json!({"version": 3})), "{problem}");
    let other = json!({"events": [{"type": "decision"}]});
    let (status, problem) = stage.send("POST", path, "", &other, Some("once")).await;
    assert_eq!((status, &problem["parameter"]), (422, &json!("idempotency-key")));
    let taken = json!({"events": [
        {"type": "decision"}, {"type": "message", "role": "user", "content": "other", "idempotency_key": "a"},
    ]});
    let (status, problem) = stage.post("/events", taken).await;
    assert_eq!((status, &problem["parameter"]), (422, &json!("events[1].idempotency_key")));

    let (_, page) = stage.get("/events", "limit=2").await;
    assert_eq!((&page["next"], &page["events"][1]["type"]), (&json!(2), &json!("tool_call")), "{page}");
    let (_, page) = stage.get("/events", "after=2&type=node_transition").await;
    assert_eq!(
        (&page["next"], &page["events"][0]["occurred_at"]),
        (&Value::Null, &json!("2026-01-02T03:04:05Z"))
    );

    let (status, state) = stage.get("/state", "").await;
    assert_eq!(
        (status, &state["current_node"], &state["version"]),
        (200, &json!("plan"), &json!(3)),
        "{state}"
    );
    assert_eq!(state["tool_results"]["search"]["result"], json!([1]));
    let (_, start) = stage.get("/state", "version=0").await;
    assert_eq!(
        (&start["current_node"], &start["messages"]),
        (&json!("start"), &json!({"count": 0, "last": []}))
    );
    let (status, problem) = stage.get("/state", "version=4").await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("version")));
    assert!(problem["detail"].as_str().unwrap().contains("at most 3"), "{problem}");

    let (status, session) = stage
        .send(
            "PATCH",
            "/v1/users/ada/sessions/work",
            "",
            &json!({"status": "paused", "metadata": {"a": 1}}),
            None,
        )
        .await;
    assert_eq!((status, &session["status"], &session["metadata"]), (200, &json!("paused"), &json!({"a": 1})));
    let (_, list) = stage.send("GET", "/v1/users/ada/sessions", "status=paused", &Value::Null, None).await;
    assert_eq!(list["sessions"][0], session);
}

#[tokio::test]
async fn bad_input_is_named_and_nothing_of_it_is_kept() {
    let stage = Stage::set().await;
    let event = |event: Value| json!({"events": [{"type": "decision"}, event]});
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (path, body, parameter) in [
        ("/events", json!({"events": []}), "events"),
        ("/events", json!({"events": vec![json!({"type": "decision"}); 101]}), "events"),
        ("/events", event(json!({"type": "dream"})), "events[1].type"),
        ("/events", event(json!({"type": "message", "role": "user"})), "events[1].content"),
        ("/events", event(json!({"type": "message", "content": "x"})), "events[1].role"),
        ("/events", event(json!({"type": "decision", "content": "x".repeat(262_145)})), "events[1].content"),
        (
            "/events",
            event(json!({"type": "decision", "payload": {"a": "x".repeat(262_144)}})),
            "events[1].payload",
        ),
        ("/events", event(json!({"type": "decision", "payload": {"a": deep}})), "events[1].payload"),
        ("/events", event(json!({"type": "decision", "payload": {"a": "\0"}})), "events[1].payload"),
        ("/checkpoints", json!({"node_id": "", "state": 1}), "node_id"),
        ("/checkpoints", json!({"node_id": "n"}), "state"),
        ("/checkpoints", json!({"node_id": "n", "state": "x".repeat(1_048_575)}), "state"),
        ("/checkpoints", json!({"node_id": "n", "state": {"a": u64::MAX}}), "state"),
        ("/checkpoints", json!({"node_id": "n", "state": 1, "sequence": 0}), "sequence"),
        ("/checkpoints", json!({"node_id": "n", "state": 1, "through": 9}), "through"),
        ("/operations", json!({"name": "n", "input": "x".repeat(70_000)}), "input"),
        ("/operations", json!({"name": "n", "lease_seconds": 0}), "lease_seconds"),
        ("/operations/1/complete", json!({"status": "failed", "result": 1}), "result"),
    ] {
        let (status, problem) = stage.post(path, body).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{problem}");
    }
    assert_eq!(stage.world.count("session_events").await, 0);
    assert_eq!(stage.world.count("checkpoints").await, 0);
}

#[tokio::test]
async fn an_agent_goes_on_from_its_checkpoint_with_what_happened_since_and_what_was_in_flight() {
    let stage = Stage::set().await;
    assert_eq!(stage.post("/resume", Value::Null).await.0, 404);
    stage
        .post("/events", json!({"events": [{"type": "message", "role": "user", "content": "book it"}]}))
        .await;
    let (status, saved) = stage.post("/checkpoints", json!({"node_id": "plan", "state": {"step": 1}})).await;
    assert_eq!((status, &saved["id"], &saved["through"]), (201, &json!("work:1"), &json!(1)), "{saved}");
    let again = json!({"node_id": "plan", "state": {"step": 1}, "sequence": 1});
    assert_eq!(stage.post("/checkpoints", again).await, (200, saved));
    let stale = json!({"node_id": "plan", "state": {"step": 2}, "parent": 0});
    let (status, problem) = stage.post("/checkpoints", stale).await;
    assert_eq!(
        (status, &problem["parameter"], &problem["current"]["latest"]),
        (409, &json!("parent"), &json!(1))
    );

    let begin = json!({"name": "book", "input": {"flight": "AA1"}, "key": "booking"});
    let (status, begun) = stage.post("/operations", begin.clone()).await;
    assert_eq!((status, &begun["begun"]), (201, &json!(true)), "{begun}");
    let (status, known) = stage.post("/operations", begin).await;
    assert_eq!(
        (status, &known["begun"], &known["operation"]["status"]),
        (200, &json!(false), &json!("pending"))
    );
    stage.post("/events", json!({"events": [{"type": "decision", "payload": {"seat": 4}}]})).await;

    let (status, resumed) = stage.post("/resume", Value::Null).await;
    assert_eq!((status, &resumed["checkpoint"]["state"]), (200, &json!({"step": 1})), "{resumed}");
    assert_eq!(resumed["events"][0]["payload"], json!({"seat": 4}));
    assert_eq!(resumed["operations"][0]["id"], 1);
    assert_eq!(resumed["recovered_from"], json!(["checkpoint", "event_replay", "wal"]));

    let done = json!({"result": {"ticket": 7}, "attempt": 1});
    let (status, operation) = stage.post("/operations/1/complete", done.clone()).await;
    assert_eq!((status, &operation["status"]), (200, &json!("completed")), "{operation}");
    assert_eq!(stage.post("/operations/1/complete", done).await, (200, operation.clone()));
    let (status, problem) = stage.post("/operations/1/complete", json!({"result": 8})).await;
    assert_eq!((status, &problem["current"]["result"]), (409, &json!({"ticket": 7})));
    assert_eq!(stage.get("/operations/1", "").await, (200, operation));
    assert_eq!(stage.get("/operations", "status=pending").await.1, json!({"operations": [], "next": null}));
}

#[tokio::test]
async fn a_repeat_whose_answer_was_lost_has_its_effect_once_and_gets_that_answer() {
    let stage = Stage::set().await;
    let send = async |method: &str, path: &str, body: &Value, key: &str| {
        stage.send(method, &format!("/v1/users/ada/sessions/work{path}"), "", body, Some(key)).await
    };
    let begin = json!({"name": "book", "input": {"flight": "AA1"}});
    let (first, second) = tokio::join!(
        send("POST", "/operations", &begin, "begin"),
        send("POST", "/operations", &begin, "begin")
    );
    assert_eq!((first.0, &first.1["begun"], &first.1["operation"]["id"]), (201, &json!(true), &json!(1)));
    assert_eq!(second, first, "also when both are on their way at once");
    assert_eq!(stage.world.count("operations").await, 1);

    let done = json!({"result": {"ticket": 7}, "attempt": 1});
    let ended = send("POST", "/operations/1/complete", &done, "end").await;
    assert_eq!((ended.0, &ended.1["status"]), (200, &json!("completed")), "{}", ended.1);
    assert_eq!(send("POST", "/operations/1/complete", &done, "end").await, ended);
    assert_eq!(send("POST", "/operations", &begin, "begin").await, first, "as it was answered then");

    let paused = json!({"status": "paused", "metadata": {"step": 1}});
    let changed = send("PATCH", "", &paused, "change").await;
    assert_eq!((changed.0, &changed.1["status"]), (200, &json!("paused")), "{}", changed.1);
    send("PATCH", "", &json!({"status": "active", "metadata": {"step": 2}}), "go on").await;
    assert_eq!(send("PATCH", "", &paused, "change").await, changed);
    let (_, session) = stage.get("", "").await;
    assert_eq!((&session["status"], &session["metadata"]), (&json!("active"), &json!({"step": 2})));

    let saved = send("POST", "/checkpoints", &json!({"node_id": "n", "state": 1}), "save").await;
    assert_eq!(send("POST", "/checkpoints", &json!({"node_id": "n", "state": 1}), "save").await, saved);

    let other = json!({"status": "failed"});
    for (method, path, key) in
        [("PATCH", "", "begin"), ("POST", "/operations/1/complete", "change"), ("PATCH", "", "change")]
    {
        let (status, problem) = send(method, path, &other, key).await;
        assert_eq!(
            (status, &problem["parameter"]),
            (422, &json!("idempotency-key")),
            "{method} {path}: {problem}"
        );
    }
    assert_eq!(stage.get("", "").await.1["status"], "active");
}

#[tokio::test]
async fn a_damaged_checkpoint_is_not_answered_and_the_one_before_is_gone_on_from() {
    let stage = Stage::set().await;
    for step in 1..=3 {
        stage.post("/checkpoints", json!({"node_id": "plan", "state": {"step": step}})).await;
    }
    let owner = stage.world.database.client().await.unwrap();
    owner
        .batch_execute(
            "update afterthought.checkpoints set state = replace(state, '3', '4') where sequence = 3",
        )
        .await
        .unwrap();
    let (status, problem) = stage.get("/checkpoints/latest", "").await;
    assert_eq!((status, &problem["current"]["previous_good"]), (409, &json!(2)), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("checkpoint integrity check failed: work:3"), "{detail}");
    let (_, resumed) = stage.post("/resume", Value::Null).await;
    assert_eq!((&resumed["checkpoint"]["sequence"], &resumed["damaged"]), (&json!(2), &json!([3])));
    assert_eq!(stage.get("/checkpoints/2", "").await.1["state"], json!({"step": 2}));
    let (_, page) = stage.get("/checkpoints", "limit=2").await;
    assert_eq!((&page["checkpoints"][1]["id"], &page["next"]), (&json!("work:2"), &json!(2)));
    assert_eq!(stage.get("/checkpoints/9", "").await.0, 404);
    assert_eq!(stage.get("/checkpoints/first", "").await.0, 400);
}

#[tokio::test]
async fn of_another_user_everything_is_as_if_it_were_not_there() {
    let stage = Stage::set().await;
    stage
        .post("/events", json!({"events": [{"type": "message", "role": "user", "content": "secret"}]}))
        .await;
    stage.post("/checkpoints", json!({"node_id": "plan", "state": "secret"})).await;
    stage.post("/operations", json!({"name": "secret"})).await;
    for (method, path) in [
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/events"),
        ("GET", "/state"),
        ("GET", "/checkpoints"),
        ("GET", "/checkpoints/1"),
        ("GET", "/checkpoints/latest"),
        ("POST", "/resume"),
        ("GET", "/operations"),
        ("GET", "/operations/1"),
        ("POST", "/operations/1/complete"),
    ] {
        let ask = async |user: &str, session: &str| {
            let path = format!("/v1/users/{user}/sessions/{session}{path}");
            let body = if method == "GET" { Value::Null } else { json!({}) };
            let (status, problem) = stage.send(method, &path, "", &body, None).await;
            (status, problem.to_string().replace(user, "somebody").replace(session, "something"))
        };
        let (status, theirs) = ask("bob", "work").await;
        assert_eq!(status, 404, "{method} {path}: {theirs}");
        assert_eq!(theirs, ask("bob", "nothing").await.1, "{method} {path}");
    }
    let (_, list) = stage.send("GET", "/v1/users/bob/sessions", "", &Value::Null, None).await;
    assert_eq!(list, json!({"sessions": [], "next": null}));
}

#[tokio::test]
async fn a_page_of_long_events_ends_before_it_is_too_long_and_the_next_goes_on() {
    let stage = Stage::set().await;
    // Postgres stores each of these in a few kilobytes.
    let event =
        NewEvent { payload: json!({"text": "x".repeat(200_000)}), ..NewEvent::new(EventKind::Observation) };
    stage.world.append("work", &vec![event; 30]).await;
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let (status, page) = stage.get("/events", &format!("limit=100&after={after}")).await;
        let bytes = page.to_string().len();
        assert!(status == 200 && bytes < 3 * 1024 * 1024, "{status} {bytes}");
        seen.extend(
            page["events"].as_array().unwrap().iter().map(|event| event["version"].as_i64().unwrap()),
        );
        let Some(next) = page["next"].as_i64() else { break };
        after = next;
    }
    assert_eq!(seen, (1..=30).collect::<Vec<_>>());
}
