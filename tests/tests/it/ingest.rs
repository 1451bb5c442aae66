//! What is said over HTTP, until it is in the log: the two functions with a queue between them.

mod bad_requests;
mod erased;
mod lives;
mod outages;
mod pending;
mod quotas;
mod redrive;
mod sources;
pub(crate) mod stage;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use self::stage::{Stage, event, post_to};

fn night(number: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + number * 25 * 60 * 60).unwrap()
}

#[tokio::test]
async fn what_is_accepted_is_stored_once_and_in_order() {
    let stage = Stage::set().await;
    let (status, first) = stage.say(&[event("ada", "chat", "one"), event("bob", "chat", "other")]).await;
    assert_eq!((status, &first["accepted"]), (202, &json!(2)));
    for content in ["two", "three"] {
        assert_eq!(stage.say(&[event("ada", "chat", content)]).await.0, 202);
    }
    assert_eq!(stage.pending("ada", "chat").await, ["one", "two", "three"]);
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["one", "two", "three"]);
    assert_eq!(stage.logged("bob", "chat").await, ["other"]);
    assert_eq!(stage.pending("ada", "chat").await, Vec::<String>::new());
    assert_eq!(stage.waiting().await, 0);
    let key: String = stage
        .owner
        .query_one("select idempotency_key from afterthought.session_events where content = 'other'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(first["events"][1]["idempotency_key"], key, "the answer tells the name it is stored under");
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first_and_stored_once() {
    let stage = Stage::set().await;
    let said = json!({"events": [event("ada", "chat", "yes"), event("ada", "chat", "yes")]});
    let keyed = [("idempotency-key", "k-1")];
    let first = stage.post("/v1/events", &keyed, &said.to_string()).await;
    assert_eq!(first.0, 202);
    stage.ingest().await;
    assert_eq!(stage.post("/v1/events", &keyed, &said.to_string()).await, first);
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["yes", "yes"], "two that were said, each once");
    let other = json!({"events": [event("ada", "chat", "no")]}).to_string();
    let (status, problem) = stage.post("/v1/events", &keyed, &other).await;
    assert_eq!((status, &problem["parameter"]), (422, &json!("idempotency-key")));
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await.len(), 2);
    // The same key of another tenant is another key, and one of an event holds in its session.
    let elsewhere = [("idempotency-key", "k-1"), ("afterthought-tenant", "acme")];
    assert_eq!(stage.post("/v1/events", &elsewhere, &other).await.0, 202);
    let mut keyed = event("ada", "other", "once");
    keyed["idempotency_key"] = "e-1".into();
    for _ in 0..2 {
        assert_eq!(stage.say(&[keyed.clone()]).await.0, 202);
        stage.ingest().await;
    }
    assert_eq!(stage.logged("ada", "other").await, ["once"]);
}

#[tokio::test]
async fn a_key_that_is_used_again_when_it_is_known_no_more_stands_for_what_is_said_then() {
    let stage = Stage::set().await;
    let said = |content: &str| json!({"events": [event("ada", "chat", content)]}).to_string();
    let mut keys = Vec::new();
    let nights: [fn() -> Timestamp; 3] = [|| night(1), || night(2), || night(3)];
    for (now, content) in nights.into_iter().zip(["the first night", "the second night", "the first night"]) {
        let webhook = stage.webhook_to(stage.queue(), now);
        let nightly = [("idempotency-key", "nightly")];
        let (status, answer) = post_to(&webhook, "/v1/events", &nightly, &said(content)).await;
        assert_eq!(status, 202, "{answer}");
        keys.push(answer["events"][0]["idempotency_key"].clone());
        stage.ingest().await;
    }
    assert_eq!(stage.logged("ada", "chat").await, ["the first night", "the second night"]);
    assert_eq!(
        (&keys[0], stage.dead_letters().await),
        (&keys[2], vec![]),
        "said again, it is the same event"
    );
}

#[tokio::test]
async fn a_request_that_an_earlier_version_took_is_repeated_under_the_names_it_gave() {
    let stage = Stage::set().await;
    let said = json!({"events": [event("ada", "chat", "yes")]}).to_string();
    let keyed = [("idempotency-key", "k")];
    assert_eq!(stage.post("/v1/events", &keyed, &said).await.0, 202);
    let dynamodb = stage.aws.dynamodb();
    let found = dynamodb.scan().table_name("afterthought-hot").send().await.unwrap().items.unwrap();
    let is_request = |pk: &AttributeValue| pk.as_s().is_ok_and(|pk| pk.starts_with("request#"));
    let claimed: Vec<_> = found.into_iter().filter(|item| is_request(&item["pk"])).collect();
    assert_eq!(claimed.len(), 1);
    let before = dynamodb.update_item().table_name("afterthought-hot").update_expression("remove named_by");
    let before = before.key("pk", claimed[0]["pk"].clone()).key("sk", claimed[0]["sk"].clone());
    before.send().await.unwrap();
    let (status, answer) = stage.post("/v1/events", &keyed, &said).await;
    let request = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"default\x1fevents\x1fk");
    let name = Uuid::new_v5(&request, b"0").to_string();
    assert_eq!((status, &answer["events"][0]["idempotency_key"]), (202, &json!(name)));
}

#[tokio::test]
async fn what_is_longer_than_a_message_is_stored_in_order() {
    let stage = Stage::set().await;
    let long = |letter: &str| letter.repeat(200_000);
    let events: Vec<_> = ["a", "b", "c", "d", "e"].map(|letter| event("ada", "chat", &long(letter))).into();
    assert_eq!(stage.say(&events).await.0, 202);
    assert_eq!(stage.waiting().await, 5);
    stage.ingest().await;
    let letters: Vec<String> =
        stage.logged("ada", "chat").await.iter().map(|content| content.chars().take(1).collect()).collect();
    assert_eq!(letters, ["a", "b", "c", "d", "e"]);
    let odd = "\u{fffe}\u{ffff}\u{1}\u{7f}\"\\ 😀";
    stage.say(&[event("ada", "odd", odd)]).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "odd").await, [odd], "SQS takes fewer characters than people write");
}

#[tokio::test]
async fn what_can_never_be_stored_is_a_dead_letter_with_its_reason_and_the_session_goes_on() {
    let stage = Stage::set().await;
    let mut first = event("ada", "chat", "yes");
    first["idempotency_key"] = "k".into();
    assert_eq!(stage.say(&[first.clone()]).await.0, 202);
    stage.ingest().await;
    first["content"] = "no".into();
    let batch = [event("ada", "chat", "before"), first, event("ada", "chat", "after")];
    assert_eq!(stage.say(&batch).await.0, 202);
    let nowhere = json!({"events": [event("eve", "chat", "hello")]}).to_string();
    assert_eq!(stage.post("/v1/events", &[("afterthought-tenant", "nobody")], &nowhere).await.0, 202);
    stage.send_raw("ada's", "not accepted by anybody").await;
    stage.say(&[event("bob", "chat", "unharmed")]).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["yes", "before", "after"]);
    assert_eq!(stage.logged("bob", "chat").await, ["unharmed"]);
    assert_eq!(stage.waiting().await, 0);
    assert_eq!(stage.pending("ada", "chat").await, Vec::<String>::new());
    let mut reasons = stage.dead_letters().await;
    reasons.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].1.contains("idempotency_key was used"), "{reasons:?}");
    assert!(!reasons[0].1.contains("'k'"), "callers choose keys: {reasons:?}");
    assert!(reasons[0].0.contains("\"no\"") && !reasons[0].0.contains("before"), "{reasons:?}");
    assert!(reasons[1].1.contains("tenant 'nobody' is unknown"), "{reasons:?}");
    assert!(reasons[2].1.contains("holds no accepted events"), "{reasons:?}");
}

#[tokio::test]
async fn a_message_of_a_later_format_waits_with_what_follows_it() {
    let stage = Stage::set().await;
    stage.send_raw("of ada", r#"{"format":2,"said":"what only a later version reads"}"#).await;
    stage.say(&[event("bob", "chat", "unharmed")]).await;
    stage.ingest().await;
    assert_eq!(stage.logged("bob", "chat").await, ["unharmed"]);
    assert_eq!((stage.waiting().await, stage.dead_letters().await.len()), (1, 0));
}

#[tokio::test]
async fn what_was_accepted_before_its_user_was_erased_is_dropped() {
    let stage = Stage::set().await;
    stage.say(&[event("ada", "chat", "before"), event("bob", "chat", "of bob")]).await;
    let erase =
        "insert into afterthought.erasures (id, tenant, subject, user_digest, subject_digest, names, counts)
                 select gen_random_uuid(), 'default', 'user', digest, digest, '{}', '{}'
                 from afterthought.subject_digest('default', 'ada') as digest";
    stage.owner.batch_execute(erase).await.unwrap();
    stage.say(&[event("ada", "chat", "after")]).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["after"], "a new life");
    assert_eq!(stage.logged("bob", "chat").await, ["of bob"]);
    assert_eq!((stage.waiting().await, stage.pending("ada", "chat").await.len()), (0, 0));
}
