//! What is erased may be asked for again: what was accepted in between and is not stored yet is gone too.

use jiff::Timestamp;
use serde_json::{Value, json};
use store::OpenErasure;

use super::stage::{Stage, VICTIM};
use super::verified;

const SESSION: &str = "first";

/// Either way of asking for it.
fn subjects() -> [Value; 2] {
    [json!({"subject": "user"}), json!({"subject": "session", "session": SESSION})]
}

async fn open(stage: &Stage) -> Vec<OpenErasure> {
    stage.keeper.open_erasures(&Stage::tenant(), None, 10).await.unwrap()
}

async fn say(stage: &Stage, words: &str) {
    stage.say(VICTIM, SESSION, 3, &[format!("The quagga {words}.")]).await;
}

/// What was accepted is stored now, and nothing comes of it.
async fn nothing_is_stored(stage: &Stage) {
    stage.ingest().await;
    assert_eq!(stage.sessions_of(VICTIM).await, []);
}

#[tokio::test]
async fn what_was_accepted_after_an_erasure_that_is_complete_goes_with_the_next() {
    for subject in subjects() {
        let stage = Stage::set().await;
        say(&stage, "trots").await;
        stage.ingest().await;
        let erased = stage.done("POST", VICTIM, "/erasures", subject.clone()).await;
        stage.finish().await;

        say(&stage, "jumps").await;
        let again = stage.done("POST", VICTIM, "/erasures", subject.clone()).await;
        assert_ne!(again["id"], erased["id"], "{again}");
        assert_eq!(again["status"], "purged", "{again}");
        nothing_is_stored(&stage).await;
        stage.finish().await;
        nothing_is_stored(&stage).await;
        let name = subject["session"].as_str();
        assert_eq!(verified(&stage, name).await, []);
        // What comes now is a new life.
        say(&stage, "sleeps").await;
        stage.ingest().await;
        assert_eq!(stage.sessions_of(VICTIM).await.len(), 1);
        assert_eq!(verified(&stage, name).await, []);
    }
}

#[tokio::test]
async fn a_row_that_waits_to_be_read_goes_with_an_erasure_that_is_asked_for_again() {
    let stage = Stage::set().await;
    stage.adopt(&[VICTIM.to_owned()]).await;
    stage.follow().await;
    stage.ingest().await;
    stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    stage.finish().await;
    stage.write_and_note(VICTIM, 1, Some("My quagga is called Rider.")).await;
    let again = stage.done("POST", VICTIM, "/erasures", json!({"subject": "user"})).await;
    assert_eq!(again["waits_for"][0]["reason"], "adopted_table", "{again}");
    stage.follow().await;
    nothing_is_stored(&stage).await;
    stage.finish().await;
}

#[tokio::test]
async fn an_erasure_that_is_open_moves_on_when_it_is_asked_for_again() {
    for subject in subjects() {
        let stage = Stage::set().await;
        say(&stage, "trots").await;
        stage.ingest().await;
        let erased = stage.done("POST", VICTIM, "/erasures", subject.clone()).await;
        let before = open(&stage).await.remove(0);
        say(&stage, "jumps").await;
        let again = stage.done("POST", VICTIM, "/erasures", subject.clone()).await;
        assert_eq!((&again["id"], &again["status"]), (&erased["id"], &json!("purged")), "{again}");
        assert_eq!(again["counts"]["events"], 1, "what was counted first stays: {again}");
        let now = open(&stage).await.remove(0);
        assert!(now.erased_at > before.erased_at);
        assert_eq!(now.asked_at, before.erased_at, "it is as old as it was");
        let counted = stage.keeper.count_open_erasures().await.unwrap();
        assert_eq!((counted[0].count, counted[0].oldest), (1, before.erased_at));
        // A janitor that had looked before does not complete what it has not looked for.
        let left = stage.keeper.complete_erasure(&before).await.unwrap();
        assert_eq!(left.0, [("asked for again".to_owned(), 1)].into());
        nothing_is_stored(&stage).await;
        stage.finish().await;
        nothing_is_stored(&stage).await;
        assert_eq!(verified(&stage, subject["session"].as_str()).await, []);
    }
}

#[tokio::test]
async fn an_erasure_that_is_asked_for_again_and_again_is_complete_at_some_time() {
    let stage = Stage::set().await;
    let asked = json!({"subject": "user"});
    let first = stage.done("POST", VICTIM, "/erasures", asked.clone()).await;
    let later = "update afterthought.erasures set asked_at = erased_at - interval '61 minutes'";
    stage.owner.batch_execute(later).await.unwrap();
    let second = stage.done("POST", VICTIM, "/erasures", asked).await;
    assert_ne!(first["id"], second["id"]);
    let erased_at: Timestamp = first["erased_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(open(&stage).await[0].erased_at, erased_at, "the first is not put off any more");
    stage.finish().await;
}
