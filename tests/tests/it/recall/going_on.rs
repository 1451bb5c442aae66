//! Which session goes on when none is named, and what is told of its hot state.

use domain::SessionId;
use serde_json::json;

use super::stage::{Stage, texts};

const PATH: &str = "/v1/users/ada/hydrate";

impl Stage {
    async fn decide(&self, session: &str) -> SessionId {
        let row = self
            .owner
            .query_one(
                "insert into afterthought.session_events (tenant, user_id, session, event_type)
                 values ('default', 'ada', $1, 'decision') returning session_id",
                &[&session],
            )
            .await
            .unwrap();
        SessionId(row.get(0))
    }
}

#[tokio::test]
async fn a_session_in_which_nobody_speaks_is_warm_when_hot_state_has_it() {
    let stage = Stage::set().await;
    let plan = stage.decide("plan").await;
    stage.wake("default", plan).await;
    for query in ["", "session=plan", ""] {
        let answer = stage.ok("default", PATH, query).await;
        assert_eq!((&answer["state"], &answer["session"]), (&json!("warm"), &json!("plan")), "{query:?}");
        assert_eq!((&answer["working_memory_state"], &answer["version"]), (&json!("none"), &json!(1)));
    }
}

#[tokio::test]
async fn that_hot_state_forgot_which_session_was_the_latest_does_not_make_it_lost() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    stage.forget_latest_session("default", "ada").await;
    let answer = stage.ok("default", PATH, "").await;
    assert_eq!((&answer["state"], &answer["session"]), (&json!("warm"), &json!("chat")));
}

#[tokio::test]
async fn the_session_somebody_spoke_in_last_goes_on_though_hot_state_was_not_told() {
    let stage = Stage::set().await;
    stage.indexed("default", "ada", "spring", &["Ada: My boat is called Mary."]).await;
    stage.indexed("default", "ada", "old", &["Ada: I planted tomatoes."]).await;
    // The indexer has not come to this one.
    stage.say("default", "ada", "new", &["Ada: Where is my boat?"]).await;
    let answer = stage.ok("default", PATH, "").await;
    assert_eq!((&answer["session"], &answer["state"]), (&json!("new"), &json!("new")));
    assert_eq!(texts(&answer, "recent_messages"), ["Where is my boat?"]);
    assert_eq!(texts(&answer, "related")[0], "My boat is called Mary.", "what it is about, not the other");
    // It is no longer the latest one.
    stage.say("default", "ada", "old", &["Ada: They are ripe."]).await;
    let answer = stage.ok("default", PATH, "").await;
    assert_eq!((&answer["session"], &answer["state"]), (&json!("old"), &json!("warm")));
    assert_eq!(texts(&answer, "recent_messages"), ["I planted tomatoes.", "They are ripe."]);
    // Nobody has spoken in this one.
    stage.decide("plan").await;
    assert_eq!(stage.ok("default", PATH, "").await["session"], "old");
    assert_eq!(stage.ok("default", PATH, "session=new").await["session"], "new");
}

#[tokio::test]
async fn what_else_is_known_of_the_session_comes_before_what_is_known_of_the_user() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    let other = stage.indexed("default", "ada", "other", &["Ada: hello"]).await;
    stage.remember(chat, "session", "fact", "The meeting is at nine.", 1).await;
    stage.remember(chat, "user", "preference", "the meeting is at NINE.", 1).await;
    stage.remember(chat, "user", "fact", "Ada sails.", 1).await;
    stage.remember(other, "session", "fact", "Of another session.", 1).await;
    for number in 0..6 {
        stage.remember(other, "session", "pattern", &format!("Pattern {number}."), 1).await;
    }
    stage.memories_added("default", chat).await;
    for query in ["session=chat", "session=chat&query=meeting"] {
        let answer = stage.ok("default", PATH, query).await;
        assert_eq!(texts(&answer, "session_memories"), ["The meeting is at nine."], "{query}");
        assert_eq!(texts(&answer, "memories"), ["Ada sails."], "shown once, in the nearer scope");
    }
    let answer = stage.ok("default", PATH, "session=other").await;
    assert_eq!(texts(&answer, "session_memories").len(), 5);
}

#[tokio::test]
async fn as_many_memories_come_as_there_are_though_most_say_the_same() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: hello"]).await;
    stage
        .owner
        .execute(
            "insert into afterthought.memories
                 (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from)
             select gen_random_uuid(), tenant, user_id, id, 'user', 'action', 'pills ' || number,
                    case when number <= 100 then 'Take the pills.' else 'Take the pills with water ' || number || '.' end,
                    0.8, 'test', 'test', now()
             from afterthought.sessions, generate_series(1, 105) as number where id = $1",
            &[&chat.0],
        )
        .await
        .unwrap();
    stage.memories_added("default", chat).await;
    for query in ["session=chat", "session=chat&query=take+the+pills"] {
        let answer = stage.ok("default", PATH, query).await;
        let memories = texts(&answer, "memories");
        assert_eq!(memories.len(), 5, "{query}: {memories:?}");
        let same = memories.iter().filter(|memory| **memory == "Take the pills.").count();
        assert!(same <= 1, "{query}: {memories:?}");
    }
}

#[tokio::test]
async fn a_question_names_who_has_spoken_whether_the_session_is_hot_or_not() {
    let stage = Stage::set().await;
    let lines = ["Ada: I bought a boat.", "Bob: I bought a boat.", "Ada: Good.", "Bob: Well."];
    stage.indexed("default", "ada", "chat", &lines).await;
    let first =
        stage.ok("default", "/v1/users/ada/recall", "query=What+did+Bob+buy").await["events"][0].clone();
    assert_eq!(first["speaker"], "Bob");
    // Nothing of it is hot, so what was said in it is the past.
    stage.say("default", "ada", "later", &["Ada: hello"]).await;
    let answer = stage.ok("default", PATH, "session=later&query=What+did+Bob+buy").await;
    assert_eq!((&answer["state"], &answer["related"][0]["speaker"]), (&json!("new"), &json!("Bob")));
    assert_eq!(answer["related"][0]["score"], first["score"]);
}
