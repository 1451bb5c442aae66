//! Dead letters of what was accepted are sent to be stored again once what was wrong is mended: none is lost or stored twice, and
//! the order of each session holds.

use serde_json::{Value, json};

use super::stage::{Stage, event};
use crate::asking::ask;

/// Says something to a tenant that does not exist, each in a request of its own.
async fn say_to_nobody(stage: &Stage, session: &str, contents: impl Iterator<Item = String>) {
    for content in contents {
        let body = json!({"events": [event("eve", session, &content)]}).to_string();
        assert_eq!(stage.post("/v1/events", &[("afterthought-tenant", "nobody")], &body).await.0, 202);
    }
    stage.ingest().await;
}

async fn make_nobody(stage: &Stage) {
    stage.owner.batch_execute("insert into afterthought.tenants (tenant) values ('nobody')").await.unwrap();
}

/// What the log has of a session of that tenant, in its order.
async fn logged(stage: &Stage, session: &str) -> Vec<String> {
    let read = "select content from afterthought.session_events where tenant = 'nobody' and session = $1 order by version";
    let rows = stage.owner.query(read, &[&session]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn redrive(stage: &Stage, order: &Value) -> Value {
    let order = order.to_string();
    let answered = ask(&stage.recall, "POST", "/v1/admin/ingest/redrive", &[], Some(&order)).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    answered.json()
}

/// Letters found, and sent again.
fn counts(answer: &Value) -> (u64, u64) {
    assert_eq!((&answer["more"], answer.get("note")), (&json!(false), None), "{answer}");
    (answer["letters"].as_u64().unwrap(), answer["redriven"].as_u64().unwrap())
}

fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("number {number}"))
}

#[tokio::test]
async fn letters_are_listed_without_what_they_say_and_stored_in_order_once_they_can_be() {
    let stage = Stage::set().await;
    for content in ["first", "second"] {
        let mut taken = event("ada", "chat", content);
        taken["idempotency_key"] = "taken".into();
        stage.say(&[taken]).await;
    }
    // More of one session than SQS hands out before some are done with.
    say_to_nobody(&stage, "many", numbers(25)).await;
    say_to_nobody(&stage, "few", numbers(2)).await;

    let listed =
        redrive(&stage, &json!({"tenant": "nobody", "session": "few", "user": "eve", "dry_run": true})).await;
    assert_eq!(counts(&listed), (2, 0));
    let letter = &listed["affected"][0];
    assert_eq!(
        (&letter["tenant"], &letter["user"], &letter["session"], &letter["events"]),
        (&json!("nobody"), &json!("eve"), &json!("few"), &json!(1))
    );
    assert!(letter["reason"].as_str().unwrap().contains("tenant 'nobody' is unknown"), "{letter}");
    assert!(letter["accepted_at"].is_string() && letter["since"].is_string(), "{letter}");
    assert!(!listed.to_string().contains("number"), "{listed}");
    let by_reason = redrive(&stage, &json!({"reason": "was used", "dry_run": true})).await;
    assert_eq!((counts(&by_reason), &by_reason["affected"][0]["user"]), ((1, 0), &json!("ada")));
    assert_eq!(stage.waiting().await, 0, "a dry run sends nothing");

    make_nobody(&stage).await;
    assert_eq!(
        counts(&redrive(&stage, &json!({"tenant": "nobody", "user": "eve", "session": "many"})).await),
        (25, 25)
    );
    stage.ingest().await;
    assert_eq!(logged(&stage, "many").await, numbers(25).collect::<Vec<_>>());
    assert_eq!(logged(&stage, "few").await, Vec::<String>::new());

    // What is still wrong is a dead letter again, with its reason.
    assert_eq!(counts(&redrive(&stage, &json!({})).await), (3, 3));
    stage.ingest().await;
    assert_eq!(logged(&stage, "few").await, ["number 0", "number 1"]);
    assert_eq!(stage.logged("ada", "chat").await, ["first"]);
    let left = stage.dead_letters().await;
    assert_eq!(left.len(), 1);
    assert!(left[0].1.contains("idempotency_key was used") && !left[0].1.contains("taken"), "{left:?}");
    assert_eq!(counts(&redrive(&stage, &json!({})).await), (0, 0));
}

#[tokio::test]
async fn whoever_was_killed_after_sending_sends_the_same_again() {
    let stage = Stage::set().await;
    say_to_nobody(&stage, "chat", numbers(3)).await;
    make_nobody(&stage).await;
    // Sent and not deleted, at once and so long ago that SQS does not know it any more.
    let letters = stage.look_at_dead_letters().await;
    for name in ["as it was", "long ago"] {
        for letter in &letters {
            let (body, group, known) = letter;
            let known =
                if name == "long ago" { format!("{known}-{name}").replace(' ', "-") } else { known.clone() };
            let request = stage.aws.sqs().send_message().queue_url(stage.queue()).message_body(body);
            request.message_group_id(group).message_deduplication_id(known).send().await.unwrap();
        }
    }
    assert_eq!(stage.waiting().await, 6);
    assert_eq!(counts(&redrive(&stage, &json!({})).await), (3, 3));
    assert_eq!(stage.waiting().await, 6, "SQS takes what it knows for the same");
    stage.ingest().await;
    assert_eq!(logged(&stage, "chat").await, numbers(3).collect::<Vec<_>>());
    assert_eq!((stage.waiting().await, stage.dead_letters().await.len()), (0, 0));
}

#[tokio::test]
async fn letters_stay_where_they_are_when_the_queue_does_not_take_them() {
    let stage = Stage::set().await;
    say_to_nobody(&stage, "chat", numbers(3)).await;
    stage.aws.sqs().delete_queue().queue_url(stage.queue()).send().await.unwrap();
    let answered = ask(&stage.recall, "POST", "/v1/admin/ingest/redrive", &[], Some("{}")).await;
    let answer = answered.json();
    assert_eq!(
        (answered.status, &answer["redriven"], &answer["more"]),
        (200, &json!(0), &json!(true)),
        "{answer}"
    );
    assert!(answer["note"].as_str().unwrap().contains("repeating this request"), "{answer}");
    assert_eq!(stage.dead_letters().await.len(), 3);
}
