//! Working memory and the state of tools, through the function, with the real DynamoDB protocol. No Postgres is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Event, EventKind, TenantId, UserId};
use hot::{Hot, SessionContext};
use jiff::Timestamp;
use model::Embedder;
use recall::Recall;
use serde_json::{Value, json};
use store::{DatabaseConfig, Role, Store};
use testkit::TestAws;

use crate::asking::{Answered, ask};

const HOT_TABLE: &str = "afterthought-hot";
const BEGAN: i64 = 1_800_000_000;
const CHAT: &str = "/v1/users/ada/sessions/chat/working-memory";
const SEARCH: &str = "/v1/users/ada/sessions/chat/tools/search";

/// The clock of every test of this file: each runs in an account of its own and adds to it what it needs.
static PASSED: AtomicI64 = AtomicI64::new(0);

fn began() -> Timestamp {
    Timestamp::from_second(BEGAN).unwrap()
}

struct Stage {
    recall: Recall,
    hot: Hot,
    aws: TestAws,
}

impl Answered {
    fn version(&self) -> i64 {
        let version = self.json()["version"].as_i64().unwrap();
        assert_eq!(self.headers["etag"], format!("\"{version}\""));
        version
    }
}

impl Stage {
    async fn set(now: fn() -> Timestamp) -> Self {
        let aws = TestAws::create().await.unwrap();
        let hot = Hot::new(aws.dynamodb(), aws.create_hot_table().await.unwrap());
        // Nothing listens there: whatever asks Postgres fails.
        let nowhere = DatabaseConfig::parse("postgres://nobody:x@127.0.0.1:9/none?sslmode=disable").unwrap();
        let store = Store::new(&nowhere, Role::Agent, 1).unwrap();
        let recall = Recall::new(store, hot.clone(), Embedder::BuiltIn, now);
        Self { recall, hot, aws }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answered {
        let headers: Vec<(&str, &str)> =
            [("afterthought-tenant", "default")].iter().chain(headers).copied().collect();
        ask(&self.recall, method, target, &headers, Some(body)).await
    }

    async fn get(&self, target: &str) -> Answered {
        self.send("GET", target, &[], "").await
    }

    async fn put(&self, target: &str, body: &str) -> Answered {
        self.send("PUT", target, &[("content-type", "application/json")], body).await
    }

    async fn merge(&self, target: &str, body: &str) -> Answered {
        self.send("PATCH", target, &[("content-type", "application/merge-patch+json")], body).await
    }

    async fn patch(&self, target: &str, body: &str) -> Answered {
        self.send("PATCH", target, &[("content-type", "application/json-patch+json; charset=utf-8")], body)
            .await
    }

    async fn value(&self, target: &str) -> Value {
        let answered = self.get(target).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        answered.json()["value"].clone()
    }

    async fn refused(&self, answered: impl Future<Output = Answered>, status: u16, detail: &str) {
        let answered = answered.await;
        assert_eq!(answered.status, status, "{}", answered.text);
        assert_eq!(answered.headers["content-type"], "application/problem+json");
        let problem = answered.json();
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }

    async fn tamper(&self, sk: &str, attribute: &str, value: AttributeValue) {
        self.aws
            .dynamodb()
            .update_item()
            .table_name(HOT_TABLE)
            .key("pk", AttributeValue::S("user#default#ada".into()))
            .key("sk", AttributeValue::S(sk.into()))
            .update_expression("set #a = :v")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":v", value)
            .send()
            .await
            .unwrap();
    }

    async fn talk(&self, session: &str, at: Timestamp) {
        let mut context = SessionContext::new(
            TenantId::new("default").unwrap(),
            UserId::new("ada").unwrap(),
            session.to_owned(),
        );
        context.advance(&[Event {
            version: 1,
            kind: EventKind::Message,
            role: "user".into(),
            speaker: None,
            content: "hello".into(),
            payload: json!({}),
            occurred_at: at,
            created_at: at,
        }]);
        self.hot.put_context(&context, at).await.unwrap();
    }
}

#[tokio::test]
async fn a_working_memory_is_put_read_and_changed_in_parts_as_it_was_written() {
    let stage = Stage::set(began).await;
    stage.refused(stage.get(CHAT), 404, "none was put").await;
    let document = r#"{"":{"":null},"big":123456789012345678901234567890,"c/d":[1.0,"é\u0001"],"current_task":{"goal":"find","step":1}}"#;
    let put = stage.put(CHAT, document).await;
    assert_eq!((put.status, &put.json()["changed"]), (200, &json!(true)), "{}", put.text);
    assert_eq!(put.json()["bytes"], document.len());
    assert_eq!(put.json()["expires_at"], "2027-01-15T10:00:00Z");
    let whole = stage.get(CHAT).await;
    assert_eq!(whole.version(), put.version());
    assert!(whole.text.contains(document), "{}", whole.text);

    assert_eq!(stage.value(&format!("{CHAT}?path=/current_task")).await, json!({"goal": "find", "step": 1}));
    assert_eq!(stage.value(&format!("{CHAT}?path=/current_task/step")).await, json!(1));
    assert_eq!(stage.value(&format!("{CHAT}?path=/c~1d/0")).await, json!(1.0));
    assert_eq!(stage.value(&format!("{CHAT}?path=//")).await, Value::Null);
    for nowhere in ["/current_task/x", "/x", "/c~1d/2", "/c~1d/-"] {
        stage.refused(stage.get(&format!("{CHAT}?path={nowhere}")), 404, "nothing at that `path`").await;
    }
    stage.refused(stage.get(&format!("{CHAT}?path=current_task")), 400, "JSON Pointer").await;

    let merged = stage.merge(CHAT, r#"{"current_task":{"step":2},"":null,"tools":[]}"#).await;
    assert!(merged.version() > put.version(), "{}", merged.text);
    let patched = stage.patch(CHAT, r#"[{"op":"test","path":"/current_task/step","value":2},{"op":"add","path":"/tools/-","value":{"n":0.1234567890123456789012}},{"op":"remove","path":"/c~1d"}]"#).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    stage.merge(&format!("{CHAT}?path=/current_task"), r#"{"goal":null,"status":"open"}"#).await;
    stage.put(&format!("{CHAT}?path=/tools/1"), "true").await;
    let removed = stage.send("DELETE", &format!("{CHAT}?path=/current_task/step"), &[], "").await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    let is = r#"{"big":123456789012345678901234567890,"current_task":{"status":"open"},"tools":[{"n":0.1234567890123456789012},true]}"#;
    let read = stage.get(CHAT).await;
    assert!(read.text.contains(is), "{}", read.text);
    assert_eq!(read.json()["bytes"], is.len());

    let again = stage.put(CHAT, is).await;
    assert_eq!((again.version(), &again.json()["changed"]), (read.version(), &json!(false)));
    for _ in 0..2 {
        assert_eq!(stage.send("DELETE", CHAT, &[], "").await.status, 204);
        stage.refused(stage.get(CHAT), 404, "is not there").await;
    }
    let anew = stage.merge(CHAT, r#"{"a":{"b":null}}"#).await;
    assert_eq!((anew.status, stage.value(CHAT).await), (200, json!({"a": {}})));
}

#[tokio::test]
async fn a_stale_version_is_refused_with_the_current_one() {
    let stage = Stage::set(began).await;
    let first = stage.put(&format!("{CHAT}?version=0"), r#"{"n":1}"#).await.version();
    let second = stage.put(&format!("{CHAT}?version={first}"), r#"{"n":2}"#).await.version();
    let etag = format!("\"{first}\"");
    for (method, media_type, body) in [
        ("PUT", "application/json", r#"{"n":3}"#),
        ("PATCH", "application/merge-patch+json", r#"{"n":3}"#),
        ("PATCH", "application/json-patch+json", r#"[{"op":"add","path":"/m","value":3}]"#),
        ("DELETE", "", ""),
    ] {
        let by_header = [("content-type", media_type), ("if-match", etag.as_str())];
        let refused = stage.send(method, CHAT, &by_header, body).await;
        assert_eq!((refused.status, &refused.json()["current"]["version"]), (412, &json!(second)));
        let refused = stage.send(method, &format!("{CHAT}?version={first}"), &by_header[..1], body).await;
        assert_eq!((refused.status, &refused.json()["current"]["version"]), (409, &json!(second)));
        let new = [("content-type", media_type), ("if-none-match", "*")];
        assert_eq!(stage.send(method, CHAT, &new, body).await.status, 412);
        stage
            .refused(stage.send(method, &format!("{CHAT}?version=1"), &by_header, body), 400, "one of them")
            .await;
    }
    let repeated = stage.put(&format!("{CHAT}?version={first}"), r#"{"n":2}"#).await;
    assert_eq!((repeated.status, repeated.version()), (200, second), "it is so already");
    let part = format!("{CHAT}?path=/n&version={second}");
    assert_eq!(stage.send("DELETE", &part, &[], "").await.status, 204);
    assert_eq!(
        stage.send("DELETE", &part, &[], "").await.status,
        204,
        "the answer was lost: it is gone already"
    );
    let third = stage.put(&format!("{CHAT}?path=/n"), "2").await;
    assert_eq!(
        (third.status, stage.send("DELETE", &part, &[], "").await.status),
        (200, 409),
        "another one is there"
    );
    let any = [("content-type", "application/merge-patch+json"), ("if-match", "*")];
    assert_eq!(stage.send("PATCH", CHAT, &any, r#"{"m":1}"#).await.status, 200);
    assert_eq!(stage.value(CHAT).await, json!({"m": 1, "n": 2}));
    assert_eq!(stage.send("PATCH", SEARCH, &any, r#"{"m":1}"#).await.status, 412);
}

#[tokio::test]
async fn of_many_changes_at_once_none_is_lost() {
    let stage = Stage::set(began).await;
    stage.put(CHAT, r#"{"log":[]}"#).await;
    let stage = &stage;
    let appended = (0..24).map(|number| async move {
        let (list, member) = (
            format!(r#"[{{"op":"add","path":"/log/-","value":{number}}}]"#),
            format!(r#"{{"m{number}":1}}"#),
        );
        let (one, other) = (stage.patch(CHAT, &list).await, stage.merge(CHAT, &member).await);
        (one.status, other.status)
    });
    let answered = futures::future::join_all(appended).await;
    assert!(answered.iter().all(|statuses| *statuses == (200, 200)), "{answered:?}");
    let document = stage.value(CHAT).await;
    let mut log: Vec<i64> = serde_json::from_value(document["log"].clone()).unwrap();
    log.sort_unstable();
    assert_eq!(log, (0..24).collect::<Vec<_>>());
    assert_eq!(document.as_object().unwrap().len(), 25);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_with_its_place_and_its_limit() {
    let stage = Stage::set(began).await;
    stage.put(CHAT, r#"{"a":[1]}"#).await;
    for (body, status, detail) in [
        ("", 400, "not JSON"),
        (r#"{"a":}"#, 400, "not JSON"),
        ("[1]", 422, "the whole is an array, expected an object"),
        (r#"{"a":{"b":"\u0000"}}"#, 422, "`/a/b` holds a zero character"),
        (r#"{"a":["\ud83d"]}"#, 422, "`/a/0` holds half of a surrogate pair"),
        (r#"{"a":1,"a":2}"#, 422, "`/a` is given more than once"),
        (&format!(r#"{{"a":{}1{}}}"#, "[".repeat(100), "]".repeat(100)), 422, "deeper than 100"),
        (&format!(r#"{{"{}":1}}"#, "n".repeat(257)), 422, "at most 256"),
        (
            &format!(r#"{{"a":"{}"}}"#, "x".repeat(262_137)),
            413,
            "262145 bytes as compact JSON, at most 262144",
        ),
    ] {
        stage.refused(stage.put(CHAT, body), status, detail).await;
    }
    let fits = format!(r#"{{"a":"{}"}}"#, "x".repeat(262_136));
    assert_eq!(stage.put(CHAT, &fits).await.json()["bytes"], 262_144);
    stage.refused(stage.merge(CHAT, r#"{"b":1}"#), 413, "at most 262144").await;
    stage.put(CHAT, r#"{"a":[1]}"#).await;
    stage.refused(stage.put(&format!("{CHAT}?path=/x/y"), "1"), 422, "`/x/y` is not there").await;
    stage.refused(stage.merge(CHAT, "[]"), 422, "expected an object").await;
    stage.refused(stage.patch(CHAT, "{}"), 400, "at most 500 operations").await;
    stage
        .refused(stage.patch(CHAT, r#"[{"op":"jump","path":"/a"}]"#), 400, "operation 0 is no operation")
        .await;
    let half = r#"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/a/7"}]"#;
    stage.refused(stage.patch(CHAT, half), 422, "operation 1 at `/a/7`: is not there").await;
    stage.refused(stage.patch(&format!("{CHAT}?path=/a"), "[]"), 400, "goes with a merge patch").await;
    stage
        .refused(
            stage.send("PATCH", CHAT, &[("content-type", "application/json")], "{}"),
            415,
            "merge-patch+json",
        )
        .await;
    stage.refused(stage.put(&format!("{CHAT}?version=x"), "{}"), 400, "whole number of at least 0").await;
    stage.refused(stage.put(&format!("{CHAT}?paht=/a"), "{}"), 400, "`paht`").await;
    assert_eq!(stage.value(CHAT).await, json!({"a": [1]}), "nothing was changed");
}

#[tokio::test]
async fn tools_have_a_state_each_and_there_are_not_too_many() {
    let stage = Stage::set(began).await;
    let tool = |name: &str| format!("/v1/users/ada/sessions/chat/tools/{name}");
    for at in (0..32).rev() {
        assert_eq!(
            stage.put(&tool(&format!("t%23{at:02}%2F")), &format!(r#"{{"n":{at}}}"#)).await.status,
            200
        );
    }
    stage.refused(stage.put(&tool("one-more"), "{}"), 422, "32 tools").await;
    stage.refused(stage.merge(&tool("one-more"), "{}"), 422, "32 tools").await;
    stage.refused(stage.put(&format!("{}?version=0", tool("one-more")), "{}"), 422, "32 tools").await;
    let conflict = stage.put(&format!("{}?version=7", tool("one-more")), "{}").await;
    assert_eq!(conflict.status, 409, "it is not there, whatever else is: {}", conflict.text);
    assert_eq!(stage.merge(&tool("t%2300%2F"), r#"{"n":7}"#).await.status, 200, "one that is there");
    assert_eq!(stage.put("/v1/users/ada/sessions/chat2/tools/x", "{}").await.status, 200, "another session");
    let listed = stage.get("/v1/users/ada/sessions/chat/tools").await.json();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, (0..32).map(|at| format!("t#{at:02}/")).collect::<Vec<_>>());
    assert_eq!(listed["tools"][0]["expires_at"], "2027-01-15T08:30:00Z", "half an hour");
    assert_eq!(stage.value(&format!("{}?path=/n", tool("t%2300%2F"))).await, json!(7));
    assert_eq!(stage.send("DELETE", &tool("t%2331%2F"), &[], "").await.status, 204);
    assert_eq!(stage.put(&tool("one-more"), "{}").await.status, 200);
    stage.refused(stage.put(&tool(&"x".repeat(101)), "{}"), 400, "1 to 100 bytes").await;
    stage.refused(stage.get(CHAT), 404, "working memory").await;
}

#[tokio::test]
async fn sessions_users_and_tenants_have_documents_of_their_own() {
    let stage = Stage::set(began).await;
    let places = [
        ("default", "ada", "chat"),
        ("default", "ada", "chat#x"),
        ("default", "bob", "chat"),
        ("acme", "ada", "chat"),
    ];
    let target = |user: &str, session: &str| {
        format!("/v1/users/{user}/sessions/{}/working-memory", session.replace('#', "%23"))
    };
    let written = places.iter().enumerate().map(|(at, (tenant, user, session))| {
        let (stage, target) = (&stage, target(user, session));
        async move {
            let headers =
                [("afterthought-tenant", *tenant), ("content-type", "application/merge-patch+json")];
            for step in 0..5 {
                let body = format!(r#"{{"whose":{at},"step":{step}}}"#);
                assert_eq!(stage.send("PATCH", &target, &headers, &body).await.status, 200);
            }
        }
    });
    futures::future::join_all(written).await;
    for (at, (tenant, user, session)) in places.iter().enumerate() {
        let read = stage.send("GET", &target(user, session), &[("afterthought-tenant", tenant)], "").await;
        assert_eq!(read.json()["value"], json!({"whose": at, "step": 4}));
        let deleted =
            stage.send("DELETE", &target(user, session), &[("afterthought-tenant", tenant)], "").await;
        assert_eq!(deleted.status, 204);
    }
}

#[tokio::test]
async fn an_item_gone_bad_counts_as_none_until_it_is_written() {
    let stage = Stage::set(began).await;
    for (attribute, value) in [
        ("members", AttributeValue::S("{".into())),
        ("members", AttributeValue::M(HashMap::from([("/a".to_owned(), AttributeValue::S("{".into()))]))),
        ("version", AttributeValue::S("one".into())),
        ("lives_until", AttributeValue::Bool(true)),
        ("format", AttributeValue::N("9".into())),
    ] {
        stage.put(CHAT, r#"{"a":1,"b":2}"#).await;
        stage.tamper("working-memory#chat", attribute, value).await;
        stage.refused(stage.get(CHAT), 404, "cannot be read").await;
        stage.refused(stage.get(&format!("{CHAT}?path=/a")), 404, "cannot be read").await;
        let healed = stage.merge(CHAT, r#"{"a":3}"#).await;
        assert_eq!(healed.status, 200, "{attribute}: {}", healed.text);
        assert_eq!(stage.value(CHAT).await, json!({"a": 3}), "{attribute}");
    }
}

fn passing() -> Timestamp {
    Timestamp::from_second(BEGAN + PASSED.load(Ordering::SeqCst)).unwrap()
}

#[tokio::test]
async fn reads_writes_and_messages_extend_a_life() {
    let stage = Stage::set(passing).await;
    let pass = |minutes: i64| PASSED.fetch_add(minutes * 60, Ordering::SeqCst);
    let expires = async |target: &str| {
        stage.get(target).await.json()["expires_at"]
            .as_str()
            .and_then(|at| at.get(11..16))
            .unwrap_or("gone")
            .to_owned()
    };
    stage.put(CHAT, r#"{"a":1}"#).await;
    stage.put(SEARCH, r#"{"a":1}"#).await;
    pass(29); // 8:29
    assert_eq!(expires(CHAT).await, "10:00", "less than a quarter has passed");
    assert_eq!(expires(SEARCH).await, "08:30");
    assert_eq!(expires(SEARCH).await, "08:59", "the read before was activity");
    pass(21); // 8:50
    stage.get(&format!("{CHAT}?path=/a")).await;
    assert_eq!(expires(CHAT).await, "10:50");
    pass(9); // 8:59
    stage.refused(stage.get(SEARCH), 404, "is not there").await;
    assert_eq!(stage.get("/v1/users/ada/sessions/chat/tools").await.json()["tools"], json!([]));
    pass(100); // 10:39
    stage.talk("chat", passing()).await;
    pass(100); // 12:19
    assert_eq!(stage.value(CHAT).await, json!({"a": 1}), "two hours after the message, not after the read");
    assert_eq!(expires(CHAT).await, "14:19");
    stage.talk("other", passing()).await;
    pass(120); // 14:19
    stage.refused(stage.get(CHAT), 404, "it has expired").await;
    let anew = stage.merge(CHAT, r#"{"b":2}"#).await;
    assert_eq!((anew.status, stage.value(CHAT).await), (200, json!({"b": 2})), "nothing of before is in it");
    let stored = stage
        .aws
        .dynamodb()
        .get_item()
        .table_name(HOT_TABLE)
        .key("pk", AttributeValue::S("user#default#ada".into()))
        .key("sk", AttributeValue::S("working-memory#chat".into()))
        .send()
        .await
        .unwrap()
        .item
        .unwrap();
    let expected = (passing() + jiff::SignedDuration::from_hours(26)).as_second();
    assert_eq!(
        stored["expires_at"],
        AttributeValue::N(expected.to_string()),
        "a day longer, to say that it expired"
    );
}
