//! What counts towards a tenant's quota of events: those that are taken in, by any mouth, each once.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use webhook::Webhook;

use super::sources::{slack_headers, standard_headers};
use super::stage::{Stage, event};
use crate::asking::ask;

/// What was answered: the status, the body, and what is left of the quotas.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    body: Value,
    left: Vec<String>,
}

impl Told {
    fn of(response: Response<Body>) -> Self {
        let status = response.status().as_u16();
        let left = response.headers().get_all("ratelimit").iter();
        // Without the time after which it is full again.
        let left =
            left.map(|limit| limit.to_str().unwrap().split(";t=").next().unwrap().to_owned()).collect();
        assert_eq!(status == 429, response.headers().contains_key("retry-after"));
        let Body::Text(body) = response.into_body() else { panic!("the body is text") };
        Self { status, body: serde_json::from_str(&body).unwrap(), left }
    }

    /// The status, and what is left of the day.
    fn day(&self) -> (u16, &str) {
        (self.status, self.left.last().map_or("", String::as_str))
    }
}

async fn post_to(webhook: &Webhook, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut request =
        http::Request::builder().method("POST").uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    webhook.handle(request.body(Body::from(body)).unwrap()).await
}

impl Stage {
    /// A stage whose default tenant may send so much.
    async fn limited(limits: Value) -> Self {
        let stage = Self::set().await;
        let settings = json!({"settings": limits}).to_string();
        let told = ask(&stage.recall, "PUT", "/v1/admin/tenants/default", &[], Some(&settings)).await;
        assert_eq!(told.status, 200, "{}", told.text);
        stage
    }

    async fn send(&self, key: Option<&str>, contents: &[&str]) -> Told {
        let events: Vec<Value> = contents.iter().map(|content| event("ada", "chat", content)).collect();
        let body = json!({ "events": events }).to_string();
        let headers: Vec<(&str, &str)> = key.iter().map(|key| ("idempotency-key", *key)).collect();
        Told::of(post_to(&self.webhook, "/v1/events", &headers, &body).await)
    }

    /// Appends events to a session of bob's.
    async fn append(&self, key: Option<&str>, body: &Value) -> Told {
        let headers: Vec<(&str, &str)> = key.iter().map(|key| ("idempotency-key", *key)).collect();
        let path = "/v1/users/bob/sessions/chat/events";
        let told = ask(&self.recall, "POST", path, &headers, Some(&body.to_string())).await;
        let left = told.headers.get_all("ratelimit").iter();
        let left =
            left.map(|limit| limit.to_str().unwrap().split(";t=").next().unwrap().to_owned()).collect();
        Told { status: told.status, body: told.json(), left }
    }

    async fn source_of(&self, asked: Value) -> (String, String) {
        let (status, made) = self.manage("POST", "/v1/webhook-sources", &asked).await;
        assert_eq!(status, 201, "{made}");
        (made["path"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }
}

const SLACK: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn slacked(event_id: &str) -> String {
    json!({"type": "event_callback", "team_id": "T1", "event_id": event_id, "event": {
        "type": "message", "channel": "C1", "user": "U1", "text": event_id, "ts": "1800000000.000100",
    }})
    .to_string()
}

#[tokio::test]
async fn what_is_refused_and_what_is_repeated_does_not_count() {
    let stage = Stage::limited(json!({"ingest_events_per_day": 3})).await;
    let day = |left: u8| format!("\"events-per-day\";r={left}");
    assert_eq!(stage.send(Some("k"), &["a\0b"]).await.day(), (400, &*day(3)));
    let first = stage.send(Some("k"), &["one", "two"]).await;
    assert_eq!(first.day(), (202, &*day(1)), "{}", first.body);
    assert_eq!(stage.send(Some("k"), &["one", "two"]).await, first);
    assert_eq!(stage.send(Some("k"), &["other"]).await.day(), (422, &*day(1)));
    let refused = stage.send(Some("more"), &["three", "four"]).await;
    assert_eq!(refused.day(), (429, &*day(1)), "{}", refused.body);
    assert_eq!(stage.send(Some("more"), &["three"]).await.day(), (202, &*day(0)), "its key was free");
    assert_eq!(stage.send(None, &["four"]).await.day(), (429, &*day(0)));
    let repeated = stage.send(Some("k"), &["one", "two"]).await;
    assert_eq!((repeated.day(), &repeated.body), ((202, &*day(0)), &first.body), "though nothing is left");
    let never = stage.send(Some("never"), &["1", "2", "3", "4"]).await;
    assert_eq!((never.day(), &never.body["parameter"]), ((422, &*day(0)), &json!("events")));
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["one", "two", "three"]);
}

#[tokio::test]
async fn every_mouth_counts_and_is_refused() {
    let stage = Stage::limited(json!({"ingest_events_per_day": 3})).await;
    let day = |left: u8| format!("\"events-per-day\";r={left}");
    let (standard, secret) = stage.source_of(json!({"name": "shop", "kind": "standard"})).await;
    let (slack, _) = stage.source_of(json!({"name": "slack", "kind": "slack", "secret": SLACK})).await;
    let signed = async |id: &str| {
        let body = json!({"type": "x", "data": event("ada", "chat", id)}).to_string();
        let headers = standard_headers(&secret, id, 0, &body);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Told::of(post_to(&stage.webhook, &standard, &headers, &body).await)
    };
    let told = async |event_id: &str| {
        let body = slacked(event_id);
        let headers = slack_headers(SLACK, &body);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Told::of(post_to(&stage.webhook, &slack, &headers, &body).await)
    };
    let said = |content: &str| json!({"events": [{"type": "message", "role": "user", "content": content}]});
    let first = signed("msg_1").await;
    assert_eq!(first.day(), (202, &*day(2)), "{}", first.body);
    assert_eq!(signed("msg_1").await, first);
    assert_eq!(told("Ev1").await.day(), (202, &*day(1)));
    assert_eq!(told("Ev1").await.day(), (202, &*day(1)));
    assert_eq!(stage.append(None, &said("one")).await.day(), (201, &*day(0)));
    assert_eq!(signed("msg_2").await.day(), (429, &*day(0)));
    assert_eq!(told("Ev2").await.day(), (429, &*day(0)));
    assert_eq!(stage.append(None, &said("two")).await.day(), (429, &*day(0)));
    assert_eq!(stage.send(None, &["two"]).await.day(), (429, &*day(0)));
    assert_eq!(signed("msg_1").await.day(), (202, &*day(0)));
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["msg_1"]);
    assert_eq!(stage.logged("bob", "chat").await, ["one"]);
}

#[tokio::test]
async fn what_is_appended_counts_when_it_is_in_the_log() {
    let stage = Stage::limited(json!({"ingest_events_per_minute": 60, "ingest_events_per_day": 70})).await;
    let left =
        |minute: u8, day: u8| vec![format!("\"events\";r={minute}"), format!("\"events-per-day\";r={day}")];
    let say = |content: &str, key: Option<&str>| json!({"type": "message", "role": "user", "content": content, "idempotency_key": key});
    let refused = stage.append(None, &json!({"events": [say("a\0b", None)]})).await;
    assert_eq!((refused.status, refused.left), (400, left(60, 70)));
    let many: Vec<Value> = (0..50).map(|number| say(&number.to_string(), None)).collect();
    let stale = stage.append(None, &json!({"events": many, "expected_version": 7})).await;
    assert_eq!((stale.status, stale.left), (409, left(60, 70)));
    let one = json!({"events": [say("one", Some("e"))]});
    let first = stage.append(Some("k"), &one).await;
    assert_eq!((first.status, &first.left[1]), (201, &left(59, 69)[1]), "{}", first.body);
    let repeated = stage.append(Some("k"), &one).await;
    assert_eq!((repeated.status, &repeated.body, &repeated.left[1]), (201, &first.body, &left(59, 69)[1]));
    let taken = stage.append(None, &json!({"events": [say("other", Some("e"))]})).await;
    assert_eq!((taken.status, &taken.left[1]), (422, &left(59, 69)[1]));
    let otherwise = stage.append(Some("k"), &json!({"events": [say("other", None)]})).await;
    assert_eq!((otherwise.status, &otherwise.left[1]), (422, &left(59, 69)[1]));
}

#[tokio::test]
async fn what_the_queue_does_not_take_counts_once_if_it_has_a_key_and_else_not() {
    let stage = Stage::limited(json!({"ingest_events_per_day": 3})).await;
    let day = |left: u8| format!("\"events-per-day\";r={left}");
    let nowhere = stage.webhook_to(&stage.queue().replace("ingest", "nowhere"), stage.now);
    let body = json!({"events": [event("ada", "chat", "one")]}).to_string();
    let mut sent = Vec::new();
    for headers in [&[][..], &[("idempotency-key", "k")], &[("idempotency-key", "k")]] {
        let response = post_to(&nowhere, "/v1/events", headers, &body).await;
        let left = response.headers()["ratelimit"].to_str().unwrap().split(";t=").next().unwrap().to_owned();
        sent.push((response.status().as_u16(), left));
    }
    assert_eq!(sent, [(503, day(3)), (503, day(2)), (503, day(2))]);
    assert_eq!(stage.send(Some("k"), &["one"]).await.day(), (202, &*day(2)));
}
