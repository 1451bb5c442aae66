//! The hot context of a session: whether it is there, how it is rebuilt, and going on without it.

use hot::Hot;
use model::Embedder;
use recall::Recall;
use serde_json::{Value, json};
use store::{DatabaseConfig, Role, Store};

use super::stage::{Stage, get, texts};

#[tokio::test]
async fn hydrate_says_whether_a_session_is_warm_new_expired_or_lost() {
    let stage = Stage::set().await;
    let path = "/v1/users/ada/hydrate";
    let nothing = stage.ok("default", path, "").await;
    assert_eq!((&nothing["state"], &nothing["session"]), (&json!("new"), &Value::Null));
    assert_eq!(nothing["recent_messages"], json!([]));

    let chat = stage.say("default", "ada", "chat", &["Ada: hello"]).await;
    let unindexed = stage.ok("default", path, "session=chat").await;
    assert_eq!(unindexed["state"], "new", "nothing of it has been in hot state");
    assert_eq!(texts(&unindexed, "recent_messages"), ["hello"]);

    stage.wake("default", chat).await;
    assert_eq!(stage.ok("default", path, "").await["state"], "warm");
    stage.say("default", "ada", "chat", &["Ada: again"]).await;
    let ahead = stage.ok("default", path, "session=chat").await;
    assert_eq!((&ahead["state"], &ahead["version"]), (&json!("warm"), &json!(2)));
    assert_eq!(texts(&ahead, "recent_messages"), ["hello", "again"], "the log tops hot state up");

    stage.forget_context("default", "ada", "chat").await;
    let lost = stage.ok("default", path, "session=chat").await;
    assert_eq!((&lost["state"], &lost["degraded"]), (&json!("lost"), &json!(false)));
    assert_eq!(texts(&lost, "recent_messages"), ["hello", "again"]);
    assert_eq!(stage.ok("default", path, "session=chat").await["state"], "warm", "it was put back");

    stage.forget_context("default", "ada", "chat").await;
    stage
        .owner
        .batch_execute("update afterthought.sessions set last_event_at = now() - interval '25 hours'")
        .await
        .unwrap();
    let expired = stage.ok("default", path, "session=chat").await;
    assert_eq!(expired["state"], "expired");
    assert_eq!(texts(&expired, "recent_messages"), ["hello", "again"]);
}

#[tokio::test]
async fn hydrate_brings_what_it_takes_to_go_on() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "old", &["Ada: I like tea."]).await;
    let chat =
        stage.indexed("default", "ada", "chat", &["Ada: Book me flights to Lisbon.", "Bob: Will do."]).await;
    stage.remember(chat, "session", "summary", "Ada wants flights to Lisbon.", 1).await;
    stage.remember(chat, "user", "entity", "Lisbon", 1).await;
    stage.remember(chat, "user", "action", "book flights", 1).await;
    stage.remember(chat, "session", "action", "pack", 1).await;
    // Said so long ago that none of the last events is evidence of it.
    let promise = stage.remember(chat, "session", "action", "old promise", 1).await;
    stage
        .owner
        .execute("delete from afterthought.memory_evidence where memory_id = $1", &[&promise])
        .await
        .unwrap();
    stage
        .owner
        .execute(
            r#"update afterthought.memories set data = '{"status": "done"}' where content = 'pack'"#,
            &[],
        )
        .await
        .unwrap();
    stage.remember(chat, "user", "preference", "likes tea", 1).await;
    stage
        .owner
        .batch_execute(
            r#"insert into afterthought.profiles (tenant, user_id, preferences, learned_facts)
               values ('default', 'ada', '{"language": "en"}', '["is a pilot"]')"#,
        )
        .await
        .unwrap();
    stage.memories_added("default", chat).await;

    let answer = stage.ok("default", "/v1/users/ada/hydrate", "").await;
    assert_eq!(answer["session"], "chat", "the session active last");
    assert_eq!(texts(&answer, "recent_messages"), ["Book me flights to Lisbon.", "Will do."]);
    assert_eq!(texts(&answer, "active_entities"), ["Lisbon"]);
    let pending = texts(&answer, "pending_actions");
    assert_eq!(pending, ["book flights", "old promise"], "whatever is open, and nothing that is done");
    assert_eq!(answer["summary"]["content"], "Ada wants flights to Lisbon.");
    assert_eq!(answer["profile"]["learned_facts"], json!(["is a pilot"]));
    assert_eq!(
        texts(&answer, "memories"),
        ["likes tea"],
        "what the session shows already is not shown again"
    );
    let asked = stage.ok("default", "/v1/users/ada/hydrate", "query=what+tea").await;
    assert_eq!(texts(&asked, "memories")[0], "likes tea");

    let old = stage.ok("default", "/v1/users/ada/hydrate", "session=old").await;
    assert_eq!(texts(&old, "recent_messages"), ["I like tea."]);
    assert_eq!((&old["summary"], &old["active_entities"]), (&Value::Null, &json!([])));
}

#[tokio::test]
async fn the_hot_context_follows_the_log_and_is_rebuilt_when_it_vanishes() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: one", "Bob: two"]).await;
    let lisbon = stage.remember(chat, "user", "entity", "Lisbon", 2).await;
    stage.memories_added("default", chat).await;
    let context = stage.context("ada", "chat").await;
    assert_eq!((context.version, context.recent_messages.len()), (2, 2));
    assert_eq!(context.active_entities[0].id.0, lisbon);

    stage.forget_context("default", "ada", "chat").await;
    stage.indexed("default", "ada", "chat", &["Ada: three"]).await;
    stage.wake("default", chat).await;
    let context = stage.context("ada", "chat").await;
    let contents: Vec<&str> =
        context.recent_messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!((context.version, contents), (3, vec!["one", "two", "three"]));
    assert_eq!(context.active_entities.len(), 1);
}

#[tokio::test]
async fn without_postgres_a_warm_session_still_goes_on_and_without_dynamodb_every_session_does() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;

    let nowhere = DatabaseConfig::parse("postgres://nobody@127.0.0.1:1/none?connect_timeout=1").unwrap();
    let store = Store::new(&nowhere, Role::Agent, 1).unwrap();
    let blind = Recall::new(store, stage.services.hot.clone(), Embedder::BuiltIn, stage.services.now);
    let (status, answer) = get(&blind, "default", "/v1/users/ada/hydrate", "session=chat").await;
    assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("warm"), &json!(true)));
    assert_eq!(texts(&answer, "recent_messages"), ["hello"]);
    for path in ["/v1/users/bob/hydrate", "/v1/health"] {
        let (status, problem) = get(&blind, "default", path, "").await;
        assert_eq!((status, &problem["title"]), (503, &json!("Service Unavailable")), "{path}");
    }

    let hot = stage.services.hot.clone();
    let wordy = Recall::new(stage.services.store.clone(), hot, None, stage.services.now);
    let (status, answer) = get(&wordy, "default", "/v1/users/ada/recall", "query=hello").await;
    assert_eq!((status, &answer["degraded"]), (200, &json!(true)), "{answer}");
    assert_eq!(texts(&answer, "events"), ["hello"], "without an embedder words find");

    let hot = Hot::new(stage.aws.dynamodb(), "nowhere".to_owned());
    let cold = Recall::new(stage.services.store.clone(), hot, Embedder::BuiltIn, stage.services.now);
    let (status, answer) = get(&cold, "default", "/v1/users/ada/hydrate", "").await;
    assert_eq!((status, &answer["state"], &answer["degraded"]), (200, &json!("lost"), &json!(true)));
    assert_eq!(texts(&answer, "recent_messages"), ["hello"]);
}
