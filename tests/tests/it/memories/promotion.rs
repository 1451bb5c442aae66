//! From one session to all of the user's, by way of the memory-curator.

use serde_json::{Value, json};

use super::stage::{Stage, id};

/// A memory of the session `chat`.
async fn of_session(stage: &Stage, content: &str) -> String {
    let body =
        json!({"type": "fact", "scope": "session", "session": "chat", "key": "music", "content": content});
    id(&stage.remember(body).await, "memory")
}

async fn promote(stage: &Stage, memory: &str, key: Option<&str>) -> (u16, Value) {
    let path = format!("/memories/{memory}/promote");
    let answered = stage.ask_as(("default", "ada"), "POST", &path, None, key).await;
    (answered.status, answered.body)
}

#[tokio::test]
async fn what_one_session_knows_becomes_known_to_all() {
    let stage = Stage::set().await;
    stage.say("chat", "Listen!").await;
    let memory = of_session(&stage, "Ada plays the oboe").await;
    assert_eq!(stage.listed("scope=user").await, Vec::<String>::new());
    let (status, promotion) = promote(&stage, &memory, Some("once")).await;
    assert_eq!(
        (status, &promotion["event"]),
        (202, &json!({"session": "chat", "version": 3})),
        "{promotion}"
    );
    assert_eq!(promote(&stage, &memory, Some("once")).await, (202, promotion), "the answer was lost");
    assert_eq!(stage.listed("scope=user").await, Vec::<String>::new(), "nothing happens at once");

    assert!(stage.curate().await >= 1, "the memory-curator is woken");
    let promoted = stage.only("scope=user").await;
    assert_eq!(
        json!([promoted["content"], promoted["agent"], promoted["type"]]),
        json!(["Ada plays the oboe", "memory-curator", "fact"])
    );
    let shown = stage.get(&format!("/memories/{}", id(&promoted, "id"))).await;
    assert_eq!(
        shown["evidence"],
        json!([{"session": "chat", "version": 2}, {"session": "chat", "version": 3}])
    );
    let line = "select outcome from afterthought.ledger where agent = 'memory-curator' and 3 = any(evidence)";
    assert_eq!(stage.texts(line).await, ["stored"], "the event's outcome can be followed");
    assert_eq!(stage.listed("scope=session").await, ["Ada plays the oboe"], "the session keeps its own");

    let (status, _) = promote(&stage, &memory, None).await;
    assert_eq!(status, 202);
    stage.curate().await;
    assert_eq!(stage.only("scope=user").await["id"], promoted["id"], "promoted twice, it is known once");
    let (status, problem) = promote(&stage, &id(&promoted, "id"), None).await;
    assert_eq!(status, 422, "{problem}");
}

#[tokio::test]
async fn what_is_promoted_is_what_holds_by_then_and_the_schedule_finds_it_too() {
    let stage = Stage::set().await;
    stage.say("chat", "Listen!").await;
    let wrong = of_session(&stage, "Ada plays the oboe").await;
    assert_eq!(promote(&stage, &wrong, None).await.0, 202);
    let right = stage.correct(&wrong, json!({"version": 1, "content": "Ada plays the flute"})).await;
    assert_eq!(right.status, 200, "{}", right.body);
    let (status, problem) = promote(&stage, &wrong, None).await;
    assert_eq!((status, &problem["current"]["id"]), (409, &right.body["memory"]), "{problem}");
    stage.tick().await;
    assert_eq!(stage.listed("scope=user").await, ["Ada plays the flute"]);
}

#[tokio::test]
async fn what_is_deleted_meanwhile_is_not_promoted() {
    let stage = Stage::set().await;
    stage.say("chat", "Listen!").await;
    let memory = of_session(&stage, "Ada plays the oboe").await;
    assert_eq!(promote(&stage, &memory, None).await.0, 202);
    assert_eq!(stage.ask("DELETE", &format!("/memories/{memory}"), None).await.status, 204);
    assert_eq!(promote(&stage, &memory, None).await.0, 409);
    stage.curate().await;
    assert_eq!(stage.listed("").await, Vec::<String>::new());
    let cursor = "select through from afterthought.agent_cursors where agent = 'memory-curator'";
    assert_eq!(stage.number(cursor).await, 4, "the curator has passed the event all the same");
}

#[tokio::test]
async fn a_promotion_joins_what_the_user_is_known_for() {
    let stage = Stage::set().await;
    stage.say("chat", "Listen!").await;
    let known = stage
        .remember(json!({"type": "fact", "content": "Ada plays the oboe", "data": {"since": 2020}, "confidence": 0.5}))
        .await;
    let memory = of_session(&stage, "Ada  plays the OBOE").await;
    assert_eq!(promote(&stage, &memory, None).await.0, 202);
    stage.curate().await;
    let user = stage.only("scope=user").await;
    assert_eq!((&user["id"], &user["data"]), (&known["memory"], &json!({"since": 2020})));
    let shown = stage.get(&format!("/memories/{}", id(&user, "id"))).await;
    assert_eq!(shown["evidence_count"], 3, "{shown}");
}
