//! What was accepted and not stored when its user was erased: it is neither stored nor kept among the dead letters.

use domain::AcceptedEvents;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::stage::{Stage, event};

/// An event under a key that its session knows for something else, which can never be stored.
async fn say_what_cannot_be_stored(stage: &Stage, user: &str, session: &str, content: &str) {
    let keyed = |content: &str| {
        let mut event = event(user, session, content);
        event["idempotency_key"] = "taken".into();
        event
    };
    for content in ["first", content] {
        assert_eq!(stage.say(&[keyed(content)]).await.0, 202);
        stage.ingest().await;
    }
}

async fn erase(stage: &Stage, user: &str, subject: &Value) {
    let (status, receipt) = stage.manage("POST", &format!("/v1/users/{user}/erasures"), subject).await;
    assert_eq!(status, 202, "{receipt}");
}

/// The contents of the dead letters.
async fn letters(stage: &Stage) -> Vec<String> {
    let content = |(body, _): &(String, String)| {
        let letter: Value = serde_json::from_str(body).unwrap();
        letter["events"][0]["content"].as_str().unwrap().to_owned()
    };
    let mut contents: Vec<String> = stage.dead_letters().await.iter().map(content).collect();
    contents.sort();
    contents
}

#[tokio::test]
async fn what_an_erased_user_said_is_dropped_from_the_queue_and_from_the_dead_letters() {
    let stage = Stage::set().await;
    for (user, session) in [("ada", "one"), ("ada", "two"), ("ben", "one")] {
        say_what_cannot_be_stored(&stage, user, session, &format!("{user} {session}")).await;
    }
    // On its way when the erasure comes.
    stage
        .say(&[event("ada", "one", "waits"), event("ada", "new", "waits"), event("ben", "one", "waits")])
        .await;
    let messages = stage.receive().await;
    let bodies = messages.iter().map(|message| AcceptedEvents::parse(message.body().unwrap()).unwrap());
    let late: Vec<AcceptedEvents> = bodies.filter(|accepted| accepted.user.as_str() == "ada").collect();
    stage.give_back(&messages).await;
    assert_eq!(late.len(), 2);
    erase(&stage, "ada", &json!({"subject": "user"})).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "one").await, Vec::<String>::new());
    assert_eq!(stage.logged("ada", "new").await, Vec::<String>::new());
    assert_eq!(stage.logged("ben", "one").await, ["first", "waits"]);
    assert_eq!(stage.pending("ben", "one").await, Vec::<String>::new());
    // A request shows what it had said, as late as this.
    stage.hot.put_pending(&late, (stage.now)()).await.unwrap();

    // A new life has letters of its own.
    say_what_cannot_be_stored(&stage, "ada", "one", "ada again").await;
    stage.say(&[event("ada", "new", "a new life")]).await;
    assert_eq!(stage.pending("ada", "new").await, ["waits", "a new life"]);
    stage.janitor.work(Timestamp::MAX).await.unwrap();
    assert_eq!(letters(&stage).await, ["ada again", "ben one"]);
    assert_eq!(stage.pending("ada", "new").await, ["a new life"]);
    assert_eq!(stage.pending("ada", "one").await, Vec::<String>::new());
    let left =
        stage.owner.query("select * from afterthought.verify_erasure('default', 'ada')", &[]).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_was_said_in_an_erased_session_goes_without_the_users_others() {
    let stage = Stage::set().await;
    for session in ["one", "two"] {
        say_what_cannot_be_stored(&stage, "ada", session, &format!("letter of {session}")).await;
    }
    stage.say(&[event("ada", "one", "waits"), event("ada", "two", "waits")]).await;
    erase(&stage, "ada", &json!({"subject": "session", "session": "one"})).await;
    stage.ingest().await;
    assert_eq!(stage.logged("ada", "one").await, Vec::<String>::new());
    assert_eq!(stage.logged("ada", "two").await, ["first", "waits"]);
    stage.janitor.work(Timestamp::MAX).await.unwrap();
    assert_eq!(letters(&stage).await, ["letter of two"]);
}
