//! What others sign: Standard Webhooks and Slack.

use std::fmt::Write;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;
use domain::WebhookSource;
use hot::Read;
use jiff::{SignedDuration, Timestamp};
use local::chaos::proxy::Weather;
use serde_json::{Value, json};
use standardwebhooks::Webhook as Signer;

use super::stage::{Stage, event};

impl Stage {
    /// Makes a source of the default tenant; answers its path and the whole answer.
    async fn source(&self, asked: Value) -> (String, Value) {
        let (status, answer) = self.manage("POST", "/v1/webhook-sources", &asked).await;
        assert_eq!(status, StatusCode::CREATED.as_u16(), "{answer}");
        (answer["path"].as_str().unwrap().to_owned(), answer)
    }

    async fn signed(&self, path: &str, secret: &str, id: &str, age: i64, body: &str) -> (u16, Value) {
        let headers = standard_headers(secret, id, age, body);
        self.post(path, &headers.each_ref().map(|(name, value)| (*name, value.as_str())), body).await
    }

    async fn slacked(&self, path: &str, secret: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let headers = slack_headers(secret, &body);
        self.post(path, &headers.each_ref().map(|(name, value)| (*name, value.as_str())), &body).await
    }

    /// Puts a copy in the place of what hot state has of a source, as if it had been made at a time.
    async fn put_copy(&self, source: &WebhookSource, at: Timestamp) {
        let key = [("pk", format!("source#{}", source.id)), ("sk", "source".to_owned())];
        let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let forget = self.aws.dynamodb().delete_item().table_name("afterthought-hot");
        forget.set_key(Some(key.into())).send().await.unwrap();
        self.hot.put_source(source, at).await.unwrap();
    }

    /// What hot state has of a source.
    async fn copy(&self, made: &Value) -> WebhookSource {
        let id = made["id"].as_str().unwrap().parse().unwrap();
        let Read::Present(copied) = self.hot.get_source(id, now()).await.unwrap() else { panic!("no copy") };
        copied.source.unwrap()
    }
}

/// The headers of a request that was signed as Standard Webhooks says, so many seconds ago.
pub(super) fn standard_headers(secret: &str, id: &str, age: i64, body: &str) -> [(&'static str, String); 3] {
    let time = now().as_second() - age;
    let signature = Signer::new(secret).unwrap().sign(id, time, body.as_bytes()).unwrap();
    [("webhook-id", id.to_owned()), ("webhook-timestamp", time.to_string()), ("webhook-signature", signature)]
}

/// The headers of a request that Slack signed now.
pub(super) fn slack_headers(secret: &str, body: &str) -> [(&'static str, String); 2] {
    let time = now().as_second().to_string();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
    let hex = tag.as_ref().iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").unwrap();
        digits
    });
    [("x-slack-request-timestamp", time), ("x-slack-signature", format!("v0={hex}"))]
}

#[expect(clippy::disallowed_methods, reason = "the specification's library looks at the real clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn delivery(content: &str) -> String {
    json!({"type": "message.created", "timestamp": "2027-01-15T08:00:00Z", "data": event("ada", "chat", content)})
        .to_string()
}

#[tokio::test]
async fn a_signed_request_is_stored_once_however_often_it_comes() {
    let stage = Stage::set().await;
    let (path, made) = stage.source(json!({"name": "shop", "kind": "standard"})).await;
    let secret = made["secret"].as_str().unwrap();
    let first = stage.signed(&path, secret, "msg_1", 0, &delivery("yes")).await;
    assert_eq!((first.0, &first.1["accepted"]), (202, &json!(1)), "{}", first.1);
    // The sender did not hear the answer; the ingester did its work in between.
    stage.ingest().await;
    assert_eq!(stage.signed(&path, secret, "msg_1", 1, &delivery("yes")).await, first);
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["yes"]);
    let (status, problem) = stage.signed(&path, secret, "msg_1", 0, &delivery("no")).await;
    assert_eq!((status, &problem["parameter"]), (422, &json!("webhook-id")));
    assert_eq!(stage.signed(&path, secret, "msg_2", 0, &delivery("yes")).await.0, 202, "said twice");
    // Without Postgres, too.
    stage.stop_postgres();
    assert_eq!(stage.signed(&path, secret, "msg_3", 0, &delivery("third")).await.0, 202);
    stage.start_postgres();
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["yes", "yes", "third"]);
}

#[tokio::test]
async fn what_is_not_signed_well_is_refused_and_nothing_of_it_taken() {
    let stage = Stage::set().await;
    let (path, made) = stage.source(json!({"name": "shop", "kind": "standard"})).await;
    let secret = made["secret"].as_str().unwrap();
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let good = delivery("hello");
    assert_eq!(stage.signed(&path, other, "msg_1", 0, &good).await.0, 401);
    for (age, status) in [(310, 401), (-310, 401), (290, 202), (-290, 202)] {
        assert_eq!(stage.signed(&path, secret, &format!("msg_{age}"), age, &good).await.0, status, "{age}");
    }
    let time = now().as_second().to_string();
    let signature = Signer::new(secret).unwrap().sign("m", time.parse().unwrap(), good.as_bytes()).unwrap();
    let headers: [(&str, &str); 3] =
        [("webhook-id", "m"), ("webhook-timestamp", &time), ("webhook-signature", &signature)];
    let mut changed = good.clone();
    changed.push(' ');
    assert_eq!(stage.post(&path, &headers, &changed).await.0, 401, "one byte more than was signed");
    for missing in 0..3 {
        let rest: Vec<_> =
            headers.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, header)| *header).collect();
        let (status, problem) = stage.post(&path, &rest, &good).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(headers[missing].0)));
    }
    for (name, wrong, status) in [
        ("webhook-timestamp", "soon", 400),
        ("webhook-timestamp", "-9223372036854775808", 400),
        ("webhook-timestamp", "9223372036854775807", 400),
        ("webhook-signature", "v1,", 401),
        ("webhook-signature", "v2,AAAA nonsense", 401),
        ("webhook-id", &"x".repeat(256), 400),
        ("content-encoding", "gzip", 415),
    ] {
        let mut headers = headers.to_vec();
        headers.push((name, wrong));
        assert_eq!(stage.post(&path, &headers, &good).await.0, status, "{name}");
    }
    for (body, parameter) in [
        ("", "body"),
        ("[]", "body"),
        ("{}", "data"),
        (r#"{"data":{"user":"ada"}}"#, "data.session"),
        (r#"{"data":{"user":"ada","session":"s","role":"user","content":"a\u0000"}}"#, "data.content"),
        (r#"{"data":{"user":"ada","session":"s","role":"user","content":"\ud800"}}"#, "data.content"),
    ] {
        let (status, problem) = stage.signed(&path, secret, &format!("bad_{}", body.len()), 0, body).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{body}: {problem}");
    }
    let nowhere = "/v1/webhooks/11111111-1111-4111-8111-111111111111";
    assert_eq!(stage.signed(nowhere, secret, "m", 0, &good).await.0, 404);
    assert_eq!(stage.signed("/v1/webhooks/shop", secret, "m", 0, &good).await.0, 400);
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await.len(), 2);
}

#[tokio::test]
async fn secrets_are_rotated_without_a_request_being_refused() {
    let stage = Stage::set().await;
    let (path, made) = stage.source(json!({"name": "shop", "kind": "standard"})).await;
    let (id, old) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let secrets = format!("/v1/webhook-sources/{id}/secrets");
    let (status, added) = stage.manage("POST", &secrets, &json!({})).await;
    assert_eq!((status, added["secrets"].as_array().unwrap().len()), (201, 2));
    let new = added["secret"].as_str().unwrap();
    assert_ne!(old, new);
    assert_eq!(stage.signed(&path, old, "msg_1", 0, &delivery("old")).await.0, 202);
    assert_eq!(stage.signed(&path, new, "msg_2", 0, &delivery("new")).await.0, 202);
    let first = made["secret_id"].as_str().unwrap();
    assert_eq!(stage.manage("DELETE", &format!("{secrets}/{first}"), &Value::Null).await.0, 200);
    assert_eq!(stage.signed(&path, old, "msg_3", 0, &delivery("old")).await.0, 401);
    assert_eq!(stage.signed(&path, new, "msg_4", 0, &delivery("new")).await.0, 202);
    let last = added["secret_id"].as_str().unwrap();
    assert_eq!(stage.manage("DELETE", &format!("{secrets}/{last}"), &Value::Null).await.0, 409);
    for _ in 0..4 {
        assert_eq!(stage.manage("POST", &secrets, &json!({})).await.0, 201);
    }
    assert_eq!(stage.manage("POST", &secrets, &json!({})).await.0, 409, "five are enough");
    // What is stored opens with the deployment's key alone, and nothing that is shown again holds a secret.
    let row = "select mapping::text || secrets::text from afterthought.webhook_sources";
    let stored: String = stage.owner.query_one(row, &[]).await.unwrap().get(0);
    let (_, shown) = stage.manage("GET", "/v1/webhook-sources", &Value::Null).await;
    for secret in [old, new] {
        let bare = secret.trim_start_matches("whsec_");
        assert!(!stored.contains(bare) && !shown.to_string().contains(bare));
    }
    // An ended source is refused at once, also by the copy.
    let source = format!("/v1/webhook-sources/{id}");
    assert_eq!(stage.manage("DELETE", &source, &Value::Null).await.0, 200);
    assert_eq!(stage.signed(&path, new, "msg_5", 0, &delivery("new")).await.0, 404);
    assert_eq!(stage.manage("DELETE", &source, &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_change_of_secrets_that_was_not_copied_is_copied_when_it_is_asked_for_again() {
    let stage = Stage::set().await;
    let (path, made) = stage.source(json!({"name": "shop", "kind": "standard"})).await;
    let secrets = format!("/v1/webhook-sources/{}/secrets", made["id"].as_str().unwrap());
    let mut last = Value::Null;
    let mut before = stage.copy(&made).await;
    for _ in 0..4 {
        before = stage.copy(&made).await;
        last = stage.manage("POST", &secrets, &json!({})).await.1;
    }
    // Postgres has the last one, and hot state did not answer.
    stage.put_copy(&before, now()).await;
    let last = last["secret"].as_str().unwrap();
    assert_eq!(stage.signed(&path, last, "msg_1", 0, &delivery("hi")).await.0, 401);
    assert_eq!(stage.manage("POST", &secrets, &json!({})).await.0, 409);
    assert_eq!(stage.signed(&path, last, "msg_1", 0, &delivery("hi")).await.0, 202);

    let before = stage.copy(&made).await;
    let (old, first) = (made["secret"].as_str().unwrap(), made["secret_id"].as_str().unwrap());
    let remove = format!("{secrets}/{first}");
    assert_eq!(stage.manage("DELETE", &remove, &Value::Null).await.0, 200);
    stage.put_copy(&before, now()).await;
    assert_eq!(stage.signed(&path, old, "msg_2", 0, &delivery("hi")).await.0, 202);
    assert_eq!(stage.manage("DELETE", &remove, &Value::Null).await.0, 404);
    assert_eq!(stage.signed(&path, old, "msg_3", 0, &delivery("hi")).await.0, 401, "it is gone");
}

#[tokio::test]
async fn requests_are_checked_by_an_old_copy_while_postgres_hangs() {
    let stage = Stage::set().await;
    let (path, made) = stage.source(json!({"name": "shop", "kind": "standard"})).await;
    let secret = made["secret"].as_str().unwrap();
    let source = stage.copy(&made).await;
    stage.put_copy(&source, now() - SignedDuration::from_hours(30)).await;
    stage.line.change(Weather::Stall, Duration::from_mins(10));
    let began = Instant::now();
    for number in 0..10 {
        let id = format!("msg_{number}");
        assert_eq!(stage.signed(&path, secret, &id, 0, &delivery(&id)).await.0, 202);
    }
    assert!(began.elapsed() < Duration::from_secs(8), "one of them waits for Postgres, and a second at most");
}

#[tokio::test]
async fn a_source_is_managed_by_its_tenant_and_mapped_as_it_says() {
    let stage = Stage::set().await;
    let mapping = json!({
        "types": ["ticket.replied"], "events": "/data/messages", "user": "#/data/customer", "session": "#/data/ticket",
        "content": "/text", "role": "/from", "roles": {"customer": "user", "agent": "assistant"}, "idempotency_key": "/id",
    });
    let (path, made) = stage.source(json!({"name": "desk", "kind": "standard", "mapping": mapping})).await;
    let secret = made["secret"].as_str().unwrap();
    let ticket = json!({"type": "ticket.replied", "data": {"customer": "ada", "ticket": "T-1", "messages": [
        {"id": 1, "from": "customer", "text": "It is broken."}, {"id": 2, "from": "agent", "text": "I see."},
    ]}});
    assert_eq!(stage.signed(&path, secret, "msg_1", 0, &ticket.to_string()).await.1["accepted"], 2);
    let ignored = json!({"type": "ticket.closed"}).to_string();
    let (status, answer) = stage.signed(&path, secret, "msg_2", 0, &ignored).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(0)));
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "T-1").await, ["It is broken.", "I see."]);

    let source = format!("/v1/webhook-sources/{}", made["id"].as_str().unwrap());
    let (status, shown) = stage.manage("GET", &source, &Value::Null).await;
    assert_eq!((status, &shown["mapping"], &shown["version"]), (200, &mapping, &json!(1)));
    let (status, changed) = stage.manage("PATCH", &source, &json!({"name": "help", "mapping": {}})).await;
    assert_eq!((status, &changed["name"], &changed["version"]), (200, &json!("help"), &json!(2)));
    assert_eq!(stage.signed(&path, secret, "msg_3", 0, &delivery("plain")).await.0, 202, "at once");
    for (asked, status, parameter) in [
        (json!({"name": "help", "kind": "standard"}), 409, "name"),
        (json!({"name": "", "kind": "standard"}), 400, "name"),
        (json!({"name": "x", "kind": "carrier pigeon"}), 400, "kind"),
        (json!({"name": "x", "kind": "standard", "secret": "guess"}), 400, "secret"),
        (json!({"name": "x", "kind": "slack"}), 400, "secret"),
        (json!({"name": "x", "kind": "standard", "mapping": {"user": "no pointer"}}), 400, "mapping"),
    ] {
        let (answered, problem) = stage.manage("POST", "/v1/webhook-sources", &asked).await;
        assert_eq!((answered, &problem["parameter"]), (status, &json!(parameter)), "{asked}: {problem}");
    }
}

#[tokio::test]
async fn slack_is_answered_and_a_retry_is_stored_once() {
    let stage = Stage::set().await;
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let (path, made) = stage.source(json!({"name": "slack", "kind": "slack", "secret": secret})).await;
    assert_eq!(made["mapping"], json!({"user": "channel", "bots": "ignore"}));
    let asked = json!({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"});
    assert_eq!(stage.slacked(&path, secret, &asked).await, (200, json!({"challenge": "3eZbrw1aB"})));
    assert_eq!(stage.slacked(&path, "another secret altogether", &asked).await.0, 401);

    let told = |event_id: &str, kind: &str, ts: &str, thread: Option<&str>, text: &str| {
        let mut event = json!({"type": kind, "channel": "C1", "user": "U1", "text": text, "ts": ts});
        if let Some(thread) = thread {
            event["thread_ts"] = thread.into();
        }
        json!({"type": "event_callback", "team_id": "T1", "event_id": event_id, "event": event})
    };
    let root = "1800000000.000100";
    let first = told("Ev1", "message", root, None, "Who knows &lt;Lisbon&gt;, <@U2>?");
    for _ in 0..3 {
        assert_eq!(stage.slacked(&path, secret, &first).await.0, 202);
        stage.ingest().await;
    }
    // The same message, told because it mentions the app, and a reply in its thread.
    let mentioned = told("Ev2", "app_mention", root, None, "Who knows &lt;Lisbon&gt;, <@U2>?");
    assert_eq!(stage.slacked(&path, secret, &mentioned).await.0, 202);
    let reply = told("Ev3", "message", "1800000001.000100", Some(root), "I do.");
    assert_eq!(stage.slacked(&path, secret, &reply).await.0, 202);
    let mut edited = told("Ev4", "message", "1800000002.000100", None, "edited");
    edited["event"]["subtype"] = "message_changed".into();
    let (status, answer) = stage.slacked(&path, secret, &edited).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(0)));
    stage.ingest().await;
    let thread = format!("C1:{root}");
    assert_eq!(stage.logged("T1.C1", &thread).await, ["Who knows <Lisbon>, @U2?", "I do."]);
    assert_eq!((stage.waiting().await, stage.dead_letters().await.len()), (0, 0));
    let (status, problem) = stage.slacked(&path, secret, &told("Ev3", "message", root, None, "forged")).await;
    assert_eq!((status, &problem["parameter"]), (422, &json!("event_id")));
}
