//! What is shown as pending: everything the queue has, for as long as a session's context lives, and nothing that the log has or
//! that was refused, whatever comes late.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{AcceptedEvents, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::stage::{Stage, event, post_to};

fn ada() -> (TenantId, UserId) {
    (TenantId::new("default").unwrap(), UserId::new("ada").unwrap())
}

/// What hot state has as pending of ada's chat, whether it is shown or not.
async fn kept(stage: &Stage, now: Timestamp) -> Vec<String> {
    let (tenant, user) = ada();
    let turns = stage.hot.pending_turns(&tenant, &user, "chat", now).await.unwrap();
    turns.into_iter().map(|turn| turn.content).collect()
}

/// Stores what waits, and answers with it.
async fn store_all(stage: &Stage) -> Vec<AcceptedEvents> {
    let mut stored = Vec::new();
    loop {
        let messages = stage.receive().await;
        if messages.is_empty() {
            return stored;
        }
        assert_eq!(stage.hand_over(&messages).await.len(), 0);
        stage.delete(&messages).await;
        let bodies = messages.iter().map(|message| AcceptedEvents::parse(message.body().unwrap()).unwrap());
        stored.extend(bodies);
    }
}

#[tokio::test]
async fn what_waits_is_shown_for_as_long_as_a_context_lives_wherever_it_waits() {
    let stage = Stage::set().await;
    stage.stop_postgres();
    for content in ["at the head", "behind it"] {
        stage.say(&[event("ada", "chat", content)]).await;
    }
    // The head is tried and fails; nobody receives what is behind it.
    let messages = stage.receive().await;
    stage.hand_over(&messages[..1]).await;
    let now = (stage.now)();
    let day = stage.hot.lifetimes().session_context;
    let minute = SignedDuration::from_mins(1);
    assert_eq!(kept(&stage, now + day - minute).await, ["at the head", "behind it"]);
    assert_eq!(kept(&stage, now + day + minute).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_turn_that_is_shown_after_it_was_stored_is_found_in_the_log_and_forgotten() {
    let stage = Stage::set().await;
    stage.say(&[event("ada", "chat", "the first")]).await;
    let first = store_all(&stage).await;
    // So much is said since that the first is not among the recent messages any more.
    for number in 0..25 {
        stage.say(&[event("ada", "chat", &number.to_string())]).await;
    }
    store_all(&stage).await;
    stage.say(&[event("ada", "chat", "on its way")]).await;
    let now = (stage.now)();
    stage.hot.put_pending(&first, now).await.unwrap();
    assert_eq!(kept(&stage, now).await, ["the first", "on its way"]);
    assert_eq!(stage.pending("ada", "chat").await, ["on its way"]);
    assert_eq!(kept(&stage, now).await, ["on its way"]);

    // Of a session that only the log has the name of, too.
    stage.hot.put_pending(&first, now).await.unwrap();
    let latest = [("pk", "user#default#ada"), ("sk", "latest-session")];
    let latest = latest.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    let forget = stage.aws.dynamodb().delete_item().table_name("afterthought-hot");
    forget.set_key(Some(latest.into())).send().await.unwrap();
    let (_, answer) = stage.hydrate("ada", "").await;
    assert_eq!(
        (&answer["session"], &answer["pending_messages"][0]["content"]),
        (&json!("chat"), &json!("on its way"))
    );
    assert_eq!(answer["pending_messages"].as_array().unwrap().len(), 1);
    assert_eq!(kept(&stage, now).await, ["on its way"]);
}

#[tokio::test]
async fn a_request_that_is_repeated_when_all_of_it_was_stored_shows_nothing() {
    let stage = Stage::set().await;
    let said: Vec<_> = (0..25).map(|number| event("ada", "chat", &number.to_string())).collect();
    let body = json!({ "events": said }).to_string();
    for _ in 0..2 {
        assert_eq!(stage.post("/v1/events", &[("idempotency-key", "k")], &body).await.0, 202);
        store_all(&stage).await;
        for number in 0..25 {
            stage.say(&[event("ada", "chat", &format!("later {number}"))]).await;
        }
        store_all(&stage).await;
        assert_eq!(stage.pending("ada", "chat").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_was_refused_is_in_hot_state_at_no_time() {
    let stage = Stage::set().await;
    let webhook = stage.webhook_to(&stage.queue().replace("ingest", "nowhere"), stage.now);
    let body = json!({"events": [event("ada", "chat", "hello")]}).to_string();
    assert_eq!(post_to(&webhook, "/v1/events", &[], &body).await.0, 503);
    let (tenant, user) = ada();
    assert_eq!(stage.hot.count_items(&tenant, &user, None).await.unwrap(), 0);
}
