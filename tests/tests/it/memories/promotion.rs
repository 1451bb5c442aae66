//! From one session to all of the user's, by way of the memory-curator.

use std::cell::Cell;
use std::time::Duration;

use domain::{SessionId, TenantId};
use memory_curator::MemoryCurator;
use runtime::{Agent, Context};
use serde_json::{Value, json};
use store::{Claim, Claimed, Committed, Effects, Run};
use uuid::Uuid;

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

/// What the memory-curator makes of the session's events, up to where it would commit.
async fn thought_about(stage: &Stage, session: SessionId) -> (Claimed, Effects) {
    let claim = Claim {
        agent: MemoryCurator::NAME,
        tenant: &TenantId::new("default").unwrap(),
        session,
        limit: 100,
        context: &[],
        waits_for: None,
        redrives: None,
        recalled: false,
    };
    let claimed = stage.services.store.claim(&claim).await.unwrap().unwrap();
    let context = Context::new(Vec::new(), (stage.services.now)());
    let thoughts = stage.curator.think(&claimed.window, &context).await.unwrap();
    let effects = Effects { thoughts: thoughts.thoughts, sources: thoughts.sources, ..Effects::default() };
    (claimed, effects)
}

async fn commit(stage: &Stage, (claimed, effects): &(Claimed, Effects)) -> Committed {
    let run =
        Run { id: Uuid::now_v7(), agent: MemoryCurator::NAME, model: "test/1".into(), ..Run::default() };
    stage.services.store.commit(&claimed.window, effects, &run).await.unwrap()
}

#[tokio::test]
async fn a_correction_between_reading_and_committing_is_what_is_promoted() {
    let stage = Stage::set().await;
    let session = stage.say("chat", "Listen!").await;
    let wrong = of_session(&stage, "Ada plays the oboe").await;
    assert_eq!(promote(&stage, &wrong, None).await.0, 202);
    let thought = thought_about(&stage, session).await;
    let right = stage.correct(&wrong, json!({"version": 1, "content": "Ada plays the flute"})).await;
    assert_eq!(right.status, 200, "{}", right.body);
    assert_eq!(commit(&stage, &thought).await, Committed::LostRace, "what was read is not so any more");
    stage.curate().await;
    assert_eq!(stage.listed("scope=user").await, ["Ada plays the flute"]);
}

#[tokio::test]
async fn a_deletion_that_is_first_at_the_memory_is_waited_for() {
    let stage = Stage::set().await;
    let session = stage.say("chat", "Listen!").await;
    let memory = of_session(&stage, "Ada plays the oboe").await;
    assert_eq!(promote(&stage, &memory, None).await.0, 202);
    let thought = thought_about(&stage, session).await;
    let mut deleter = stage.database.client().await.unwrap();
    let deletion = deleter.transaction().await.unwrap();
    let delete =
        "update afterthought.memories set status = 'deleted', version = version + 1 where id::text = $1";
    assert_eq!(deletion.execute(delete, &[&memory]).await.unwrap(), 1);
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
    let is_over = Cell::new(false);
    let committing = async {
        let committed = commit(&stage, &thought).await;
        is_over.set(true);
        committed
    };
    let deleting = async {
        while !is_over.get() && stage.number(waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!is_over.get(), "nothing was waited for");
        deletion.commit().await.unwrap();
    };
    let (committed, ()) = futures::join!(committing, deleting);
    assert_eq!(committed, Committed::LostRace);
    assert_eq!(stage.listed("scope=user").await, Vec::<String>::new());
}
