//! What fails on the way, and what is then shown.

use serde_json::json;

use super::stage::{Stage, event, post_to};

#[tokio::test]
async fn what_was_accepted_is_stored_though_postgres_was_down_and_the_ingester_died() {
    let stage = Stage::set().await;
    stage.say(&[event("ada", "chat", "before")]).await;
    stage.ingest().await;
    stage.stop_postgres();
    for number in 0..4 {
        let (status, _) =
            stage.say(&[event("ada", "chat", &number.to_string()), event("bob", "chat", "hi")]).await;
        assert_eq!(status, 202, "nobody needs Postgres to be told that it was accepted");
    }
    let messages = stage.receive().await;
    assert_eq!(messages.len(), 8);
    assert_eq!(stage.hand_over(&messages).await.len(), 8, "all of them wait");
    assert_eq!((stage.waiting().await, stage.dead_letters().await.len()), (8, 0));

    stage.start_postgres();
    stage.give_back(&messages).await;
    // Stored, and then it dies: nothing of what it took is deleted.
    let messages = stage.receive().await;
    assert_eq!(stage.hand_over(&messages).await.len(), 0);
    assert_eq!(stage.logged("ada", "chat").await, ["before", "0", "1", "2", "3"]);
    stage.say(&[event("ada", "chat", "after")]).await;
    assert_eq!(stage.receive().await.len(), 0, "what follows waits for what was taken");
    stage.give_back(&messages).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["before", "0", "1", "2", "3", "after"]);
    assert_eq!(stage.logged("bob", "chat").await, ["hi", "hi", "hi", "hi"]);
    assert_eq!((stage.waiting().await, stage.dead_letters().await.len()), (0, 0));
}

#[tokio::test]
async fn hydrate_shows_a_pending_turn_while_postgres_is_down() {
    let stage = Stage::set().await;
    stage.stop_postgres();
    let mut said = event("ada", "chat", "I am moving to Lisbon.");
    said["speaker"] = "Ada".into();
    stage.say(&[said]).await;
    for query in ["session=chat", ""] {
        let (status, answer) = stage.hydrate("ada", query).await;
        assert_eq!((status, &answer["session"], &answer["degraded"]), (200, &json!("chat"), &json!(true)));
        assert_eq!(answer["state"], "lost", "nobody knows whether there was anything before");
        let turn = &answer["pending_messages"][0];
        assert_eq!((&turn["content"], &turn["speaker"]), (&json!("I am moving to Lisbon."), &json!("Ada")));
    }
    assert_eq!(stage.hydrate("eve", "").await.0, 503, "nothing is known of her");
    // The log does not take it, so it is still shown.
    let messages = stage.receive().await;
    assert_eq!(stage.hand_over(&messages).await.len(), 1);
    assert_eq!(stage.pending("ada", "chat").await.len(), 1);
    stage.start_postgres();
    stage.give_back(&messages).await;
    stage.ingest().await;
    assert_eq!(stage.pending("ada", "chat").await, Vec::<String>::new());
    let (_, answer) = stage.hydrate("ada", "session=chat").await;
    assert_eq!(answer["recent_messages"][0]["content"], "I am moving to Lisbon.");
}

#[tokio::test]
async fn a_turn_that_the_log_has_already_is_not_shown_twice() {
    let stage = Stage::set().await;
    stage.say(&[event("ada", "chat", "hello")]).await;
    let messages = stage.receive().await;
    // Stored, but still shown as pending: whoever stored it died before it took it away.
    let accepted = domain::AcceptedEvents::parse(messages[0].body().unwrap()).unwrap();
    stage.ingest_only(&accepted).await;
    let (_, answer) = stage.hydrate("ada", "session=chat").await;
    assert_eq!(answer["recent_messages"].as_array().unwrap().len(), 1);
    assert_eq!(answer["pending_messages"], json!([]));
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_not_accepted_and_not_shown() {
    let stage = Stage::set().await;
    let now = || jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let webhook = stage.webhook_to(&stage.queue().replace("ingest", "nowhere"), now);
    let body = json!({"events": [event("ada", "chat", "hello")]}).to_string();
    let (status, problem) = post_to(&webhook, "/v1/events", &[("idempotency-key", "k")], &body).await;
    assert_eq!((status, &problem["title"]), (503, &json!("Service Unavailable")));
    assert_eq!(stage.pending("ada", "chat").await, Vec::<String>::new());
    // The same request again, under the same key.
    let webhook = stage.webhook_to(stage.queue(), now);
    assert_eq!(post_to(&webhook, "/v1/events", &[("idempotency-key", "k")], &body).await.0, 202);
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "chat").await, ["hello"]);
}
