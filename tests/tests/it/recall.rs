//! The indexer and the recall function together, with real Postgres and the real DynamoDB protocol.

mod embedders;
mod going_on;
mod hot_context;
mod hydrate;
mod passages;
mod requests;
mod stage;
mod stalled;

use model::Embedder;
use recall::Recall;
use serde_json::json;
use store::{DatabaseConfig, Role, Store};

use self::stage::{Stage, get, texts};

#[tokio::test]
async fn a_question_is_answered_with_events_and_memories_their_scores_and_their_evidence() {
    let stage = Stage::set().await;
    let chat = stage
        .indexed(
            "default",
            "ada",
            "chat",
            &[
                "Ada: I moved to Lisbon last spring.",
                "Bob: How lovely! I still live in Porto.",
                "Ada: What do you do on weekends?",
                "Bob: Mostly sailing, and I bake bread.",
            ],
        )
        .await;
    stage.remember(chat, "user", "entity", "Lisbon", 1).await;
    stage.remember(chat, "user", "entity", "sailing", 4).await;
    stage.memories_added("default", chat).await;

    let answer = stage.ok("default", "/v1/users/ada/recall", "query=Did+Bob+like+sailing%3F&k=2").await;
    assert_eq!(answer["query"], "Did Bob like sailing?");
    assert_eq!(answer["degraded"], false);
    assert_eq!(texts(&answer, "memories"), ["sailing", "Lisbon"]);
    assert_eq!(answer["memories"][0]["evidence"], json!([{"session": "chat", "version": 4}]));
    assert_eq!(texts(&answer, "events")[0], "Mostly sailing, and I bake bread.");
    let event = &answer["events"][0];
    assert_eq!(event["evidence"], json!([{"session": "chat", "version": 4}]));
    assert_eq!((&event["speaker"], &event["role"]), (&json!("Bob"), &json!("user")));
    let score = event["score"].as_object().unwrap();
    let total = score["total"].as_f64().unwrap();
    let sum: f64 =
        score.iter().filter(|(part, _)| *part != "total").map(|(_, value)| value.as_f64().unwrap()).sum();
    assert!((total - sum).abs() < 0.001, "{score:?}");
    assert_eq!(score["speaker"], 0.4);
    assert!(answer["events"][1]["score"]["total"].as_f64().unwrap() <= total);
}

#[tokio::test]
async fn k_results_come_back_when_there_are_k_however_little_they_have_to_do_with_the_question() {
    let stage = Stage::set().await;
    let lines: Vec<String> = (0..130).map(|number| format!("Ada: line number{number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    stage.indexed("default", "ada", "long", &lines).await;
    stage.indexed("default", "bob", "long", &lines).await;
    for (k, query) in
        [(1, "number7"), (100, "number7"), (100, "zzz"), (10, "the"), (50, "%27+%26+%7C+%21%3A*+%5C%28")]
    {
        let answer = stage.ok("default", "/v1/users/ada/recall", &format!("query={query}&k={k}")).await;
        assert_eq!(answer["events"].as_array().unwrap().len(), k, "{query}");
        let versions: std::collections::BTreeSet<i64> = answer["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["version"].as_i64().unwrap())
            .collect();
        assert_eq!(versions.len(), k, "{query}");
    }
    let best = stage.ok("default", "/v1/users/ada/recall", "query=number7").await;
    assert_eq!(texts(&best, "events")[0], "line number7");
}

#[tokio::test]
async fn what_was_said_in_a_time_the_question_names_is_found_among_everything_that_says_as_much() {
    let stage = Stage::set().await;
    // All say the same, so by words and by meaning the newest are picked.
    let lines = vec!["Ada: Rain again, rain all day, and the weather stays like that."; 300];
    let session = stage.say("default", "ada", "weather", &lines).await;
    stage
        .owner
        .execute(
            "update afterthought.session_events
             set occurred_at = timestamptz '2023-05-10 12:00Z' + (version - 2) * interval '200 days' where session_id = $1",
            &[&session.0],
        )
        .await
        .unwrap();
    stage.wake("default", session).await;
    let query = "query=How+was+the+weather+with+the+rain+in+May+2023%3F&k=1";
    for known in ["occurred_at", "null"] {
        // What was indexed before the index knew times is found by those of the log.
        stage
            .owner
            .batch_execute(&format!("update afterthought.event_index set occurred_at = {known}"))
            .await
            .unwrap();
        let answer = stage.ok("default", "/v1/users/ada/recall", query).await;
        assert_eq!(answer["events"][0]["version"], 2, "{answer}");
        assert_eq!(answer["events"][0]["score"]["date"], 1.0);
    }
}

#[tokio::test]
async fn nobody_ever_sees_what_is_another_users_or_another_tenants() {
    let stage = Stage::set().await;
    let secret = "Ada: The secret is a blue elephant.";
    for (tenant, user) in [("default", "ada"), ("acme", "ada"), ("default", "eve")] {
        let line = format!("{secret} {tenant} {user}");
        let session = stage.indexed(tenant, user, "chat", &[&line]).await;
        stage.remember(session, "user", "fact", &format!("blue elephant {tenant} {user}"), 1).await;
        stage.remember(session, "global", "fact", &format!("elephants for all of {tenant} {user}"), 1).await;
        stage.memories_added(tenant, session).await;
    }
    for (tenant, user) in [("default", "ada"), ("acme", "ada"), ("default", "eve")] {
        let answer = stage.ok(tenant, &format!("/v1/users/{user}/recall"), "query=blue+elephant&k=100").await;
        assert_eq!(texts(&answer, "events"), [format!("The secret is a blue elephant. {tenant} {user}")]);
        let own = format!("blue elephant {tenant} {user}");
        assert!(texts(&answer, "memories").contains(&own.as_str()));
        for memory in answer["memories"].as_array().unwrap() {
            let content = memory["content"].as_str().unwrap();
            assert!(content.contains(tenant), "{content}");
            assert!(content == own || memory["scope"] == "global", "{content}");
            let is_own = content.ends_with(&format!("{tenant} {user}"));
            assert_eq!(memory["evidence"].as_array().unwrap().len(), usize::from(is_own), "{content}");
        }
        let hydrated = stage.ok(tenant, &format!("/v1/users/{user}/hydrate"), "query=elephant").await;
        assert_eq!(
            texts(&hydrated, "recent_messages"),
            [format!("The secret is a blue elephant. {tenant} {user}")]
        );
    }
    let nobody = stage.ok("nobody", "/v1/users/ada/recall", "query=elephant").await;
    assert_eq!((texts(&nobody, "events").len(), texts(&nobody, "memories").len()), (0, 0));
}

#[tokio::test]
async fn a_memory_that_was_replaced_rejected_or_has_expired_is_not_recalled() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: I live in Porto, no, in Lisbon."]).await;
    for (content, change) in [
        ("lives in Porto", "valid_to = now()"),
        ("lives in Faro", "status = 'rejected'"),
        ("lives in Braga", "expires_at = now() - interval '1 second'"),
        ("lives in Lisbon", "expires_at = now() + interval '1 hour'"),
    ] {
        let id = stage.remember(chat, "user", "fact", content, 1).await;
        stage
            .owner
            .execute(&format!("update afterthought.memories set {change} where id = $1"), &[&id])
            .await
            .unwrap();
    }
    stage.memories_added("default", chat).await;
    let answer = stage.ok("default", "/v1/users/ada/recall", "query=Where+does+she+live%3F").await;
    assert_eq!(texts(&answer, "memories"), ["lives in Lisbon"]);
    let hydrated = stage.ok("default", "/v1/users/ada/hydrate", "").await;
    assert_eq!(texts(&hydrated, "memories"), ["lives in Lisbon"]);
}

#[tokio::test]
async fn what_is_handed_out_is_counted_once_per_answer_and_no_answer_depends_on_it() {
    let stage = Stage::set().await;
    let session = stage.indexed("acme", "ada", "chat", &["Ada: I sail on Sundays."]).await;
    let sailing = stage.remember(session, "user", "fact", "Ada sails.", 1).await;
    stage.remember(session, "user", "preference", "Ada likes tea.", 1).await;
    let counts = "select count, version from afterthought.memory_access
                  join afterthought.memories m on m.id = memory_id where memory_id = $1";
    for query in ["query=sails&k=1", "query=Who+sails%3F&k=1&type=fact"] {
        let answer = stage.ok("acme", "/v1/users/ada/recall", query).await;
        assert_eq!(texts(&answer, "memories"), ["Ada sails."]);
    }
    assert_eq!(stage.recall.count_accesses().await, 1, "one memory, handed out twice, and not the other");
    stage.ok("acme", "/v1/users/ada/hydrate", "session=chat").await;
    assert_eq!(stage.recall.count_accesses().await, 2);
    let row = stage.owner.query_one(counts, &[&sailing]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 1), "counted, and not changed");

    let nowhere = DatabaseConfig::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
    let nowhere = Store::new(&nowhere, Role::Agent, 1).unwrap();
    let (store, hot) = (stage.services.store.clone(), stage.services.hot.clone());
    let recall = Recall::new(store, hot, Embedder::BuiltIn, stage.services.now).with_access_store(nowhere);
    let (status, answer) = get(&recall, "acme", "/v1/users/ada/recall", "query=sails&k=1").await;
    assert_eq!((status, texts(&answer, "memories")), (200, vec!["Ada sails."]));
    assert_eq!(recall.count_accesses().await, 0, "the batch is lost, and nobody waited for it");
}
