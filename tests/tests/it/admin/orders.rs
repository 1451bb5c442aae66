//! What operators order: pausing, cancelling, replaying, redriving.

use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use serde_json::json;

use super::stage::{Echo, Stage};

#[tokio::test]
async fn what_is_paused_waits_until_it_is_resumed_and_others_go_on() {
    let stage = Stage::set().await;
    let (theirs, ours) = (stage.say("acme", &["lisbon"]).await, stage.say("default", &["porto"]).await);
    for _twice in 0..2 {
        let answer = stage.post("pause", json!({"tenant": "acme", "agent": "echo"})).await;
        assert_eq!((&answer["holds"], &answer["affected"][0]["tenant"]), (&json!(1), &json!("acme")));
    }
    let status = stage.get("status", "").await;
    let [hold] = status["holds"].as_array().unwrap().as_slice() else { panic!("one hold: {status}") };
    assert_eq!(
        (&hold["agent"], &hold["reason"], &hold["until"]),
        (&json!("echo"), &json!("pause"), &json!(null))
    );
    assert_eq!((&status["agents"][0]["held"], &status["agents"][1]["held"]), (&json!(1), &json!(0)));

    stage.think("acme", theirs, 1).await;
    stage.think("default", ours, 1).await;
    assert_eq!(stage.became("acme").await, ["held"]);
    assert_eq!(stage.became("default").await, ["stored"]);

    // Another target's resume ends nothing.
    stage.post("resume", json!({"tenant": "acme"})).await;
    assert_eq!(stage.became("acme").await, ["held"]);
    assert_eq!(stage.taken(&stage.echo).await.len(), 0, "what is held is not woken");
    stage.taken(&stage.other).await;

    for _twice in 0..2 {
        let answer = stage.post("resume", json!({"tenant": "acme", "agent": "echo"})).await;
        assert_eq!((&answer["sessions"], &answer["woken"]), (&json!(1), &json!(1)));
        let affected = &answer["affected"][0];
        assert_eq!((&affected["user"], &affected["session"]), (&json!("ada"), &json!("chat")));
    }
    let woken = stage.taken(&stage.echo).await;
    assert_eq!(woken.len(), 2, "once for each request");
    assert_eq!(stage.taken(&stage.other).await.len(), 0);
    stage.deliver(&Echo::new(false), woken.iter().map(Envelope::to_body).collect()).await;
    assert_eq!(stage.became("acme").await, ["stored"]);
    assert_eq!(stage.post("resume", json!({"tenant": "acme", "agent": "echo"})).await["sessions"], 0);
}

#[tokio::test]
async fn one_session_is_paused_by_its_name_until_a_moment() {
    let stage = Stage::set().await;
    stage.say("acme", &["lisbon"]).await;
    let answer =
        stage.post("pause", json!({"tenant": "acme", "user": "ada", "session": "chat", "until": "2h"})).await;
    let status = stage.get("status", "").await;
    let hold = &status["holds"][0];
    assert_eq!(
        (&hold["user"], &hold["session"], &hold["until"]),
        (&json!("ada"), &json!("chat"), &answer["until"])
    );
    assert_eq!(stage.became("acme").await, ["held"]);

    for unknown in [
        json!({"tenant": "nobody"}),
        json!({"tenant": "acme", "user": "ada", "session": "other"}),
        json!({"tenant": "default", "user": "ada", "session": "chat"}),
    ] {
        assert_eq!(stage.refused("pause", unknown).await.0, 404);
    }
}

#[tokio::test]
async fn what_is_cancelled_is_passed_over_and_says_so() {
    let stage = Stage::set().await;
    let (theirs, ours) = (stage.say("acme", &["a", "b"]).await, stage.say("default", &["c"]).await);
    let (status, detail) = stage.refused("cancel", json!({})).await;
    assert!(status == 400 && detail.contains("`all`"), "{detail}");
    assert_eq!((stage.cursor(theirs).await, stage.cursor(ours).await), (0, 0));

    let answer = stage.post("cancel", json!({"tenant": "acme", "before": "1h"})).await;
    assert_eq!(answer, json!({"sessions": 0, "events": 0, "affected": []}));
    let answer = stage.post("cancel", json!({"tenant": "acme", "agent": "echo"})).await;
    assert_eq!((&answer["sessions"], &answer["events"]), (&json!(1), &json!(2)));
    let affected = &answer["affected"][0];
    assert_eq!(
        (&affected["after"], &affected["through"], &affected["session"]),
        (&json!(0), &json!(2), &json!("chat"))
    );
    assert_eq!(stage.post("cancel", json!({"tenant": "acme", "agent": "echo"})).await["sessions"], 0);

    stage.think("acme", theirs, 2).await;
    assert_eq!(stage.became("acme").await, ["cancelled", "cancelled"]);
    assert_eq!(stage.became("default").await, ["waiting"]);
    assert_eq!(stage.get("runs", "outcome=cancelled").await["runs"].as_array().unwrap().len(), 1);
    assert_eq!(stage.post("cancel", json!({"all": true})).await["sessions"], 3, "the others of both agents");
}

#[tokio::test]
async fn what_is_replayed_is_thought_about_again_from_there_on() {
    let stage = Stage::set().await;
    let (theirs, ours) = (stage.say("acme", &["a", "b", "c"]).await, stage.say("default", &["d"]).await);
    stage.think("acme", theirs, 3).await;
    stage.think("default", ours, 1).await;

    let answer = stage.post("replay", json!({"tenant": "acme", "version": 2})).await;
    assert_eq!((&answer["sessions"], &answer["woken"]), (&json!(1), &json!(1)));
    assert_eq!(answer["affected"][0]["version"], 3);
    assert_eq!((stage.cursor(theirs).await, stage.cursor(ours).await), (1, 1));
    assert_eq!(stage.became("acme").await, ["stored", "waiting", "waiting"]);
    assert_eq!(stage.post("replay", json!({"tenant": "acme", "version": 2})).await["sessions"], 0);

    let woken = stage.taken(&stage.echo).await;
    assert_eq!(woken.len(), 1);
    stage.deliver(&Echo::new(false), woken.iter().map(Envelope::to_body).collect()).await;
    assert_eq!(stage.became("acme").await, ["stored", "merged", "merged"]);
    assert_eq!(stage.get("runs", "tenant=acme").await["runs"].as_array().unwrap().len(), 2);

    let answer = stage.post("replay", json!({"agent": "echo", "since": "1h"})).await;
    assert_eq!(answer["sessions"], 2);
    assert_eq!((stage.cursor(theirs).await, stage.cursor(ours).await), (0, 0));
}

#[tokio::test]
async fn a_wake_up_that_is_not_accepted_is_told() {
    let stage = Stage::set().await;
    let chat = stage.say("acme", &["a"]).await;
    stage.think("acme", chat, 1).await;
    stage.aws.sqs().delete_queue().queue_url(&stage.echo).send().await.unwrap();
    let answer = stage.post("replay", json!({"tenant": "acme", "version": 1})).await;
    assert_eq!((&answer["sessions"], &answer["woken"]), (&json!(1), &json!(0)));
    assert!(answer["note"].as_str().unwrap().contains("sweep"), "{answer}");
    assert_eq!(stage.cursor(chat).await, 0);
}

#[tokio::test]
async fn what_was_set_aside_is_tried_again_and_its_dead_letter_goes() {
    let stage = Stage::set().await;
    let dead = format!("{}-dlq", stage.echo);
    let (theirs, ours) =
        (stage.say("acme", &["a", "refused", "b"]).await, stage.say("default", &["refused"]).await);
    for (tenant, session, version) in [("acme", theirs, 3), ("default", ours, 1)] {
        stage.think(tenant, session, version).await;
        let woken = stage.taken(&stage.echo).await;
        stage.deliver(&Echo::new(false), woken.iter().map(Envelope::to_body).collect()).await;
    }
    assert_eq!(stage.became("acme").await, ["stored", "quarantined", "stored"]);
    assert_eq!(stage.get("status", "").await["agents"][0]["quarantined"], 2);

    let answer = stage.post("redrive", json!({"tenant": "acme", "reason": "no such reason"})).await;
    assert_eq!((&answer["windows"], &answer["dead_letters_deleted"]), (&json!(0), &json!(0)));
    let answer = stage.post("redrive", json!({"tenant": "acme"})).await;
    assert_eq!((&answer["windows"], &answer["woken"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(answer["dead_letters_deleted"], 1);
    let window = &answer["affected"][0];
    assert_eq!(
        (&window["after"], &window["through"], &window["session"]),
        (&json!(1), &json!(2), &json!("chat"))
    );
    let left = stage.taken(&dead).await;
    let [Envelope { wake_up: WakeUp::Window { session, .. }, .. }] = left.as_slice() else {
        panic!("one dead letter is left: {left:?}")
    };
    assert_eq!(*session, ours);

    let woken = stage.taken(&stage.echo).await;
    assert!(matches!(
        woken.as_slice(),
        [Envelope { wake_up: WakeUp::Window { after: 1, through: 2, .. }, .. }]
    ));
    stage.deliver(&Echo::new(true), woken.iter().map(Envelope::to_body).collect()).await;
    assert_eq!(stage.became("acme").await, ["stored", "stored", "stored"]);
    let runs = stage.get("runs", "tenant=acme&outcome=quarantined").await;
    assert!(runs["runs"][0]["redriven_by"].is_string(), "{runs}");
    assert_eq!(stage.post("redrive", json!({"tenant": "acme"})).await["windows"], 0);
    assert_eq!(stage.became("default").await, ["quarantined"]);
}

#[tokio::test]
async fn a_dead_letter_left_behind_by_a_redrive_goes_with_the_next() {
    let stage = Stage::set().await;
    let dead = format!("{}-dlq", stage.echo);
    let chat = stage.say("acme", &["refused"]).await;
    stage.think("acme", chat, 1).await;
    // Moved back by SQS's own redrive, which a copy in the dead-letter queue outlives.
    let [letter] = stage.taken(&dead).await.try_into().unwrap();
    stage.services.publisher.publish(&dead, std::slice::from_ref(&letter)).await.unwrap();
    let foreign = Envelope::first(WakeUp::Tick, Timestamp::UNIX_EPOCH);
    stage.services.publisher.publish(&dead, std::slice::from_ref(&foreign)).await.unwrap();
    stage.deliver(&Echo::new(true), vec![letter.to_body()]).await;
    assert_eq!(stage.became("acme").await, ["stored"]);

    let answer = stage.post("redrive", json!({})).await;
    assert_eq!((&answer["windows"], &answer["dead_letters_deleted"]), (&json!(0), &json!(1)));
    assert_eq!(
        stage.taken(&dead).await,
        [foreign],
        "what it is not about stays, and can be received at once"
    );
}
