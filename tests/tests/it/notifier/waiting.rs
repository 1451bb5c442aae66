//! What waits for an endpoint that is disabled, and what holds of one that is changed while messages go out.

use std::sync::Arc;

use domain::Reach;
use janitor::{Janitor, Worked};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::Notify;

use super::stage::{Answering, Receiver, Stage, now, wait};

#[tokio::test]
async fn what_waits_for_a_disabled_endpoint_is_sent_in_its_order_when_it_is_enabled_or_given_up_and_replayed()
{
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    let enable = async |enabled: bool| {
        let (status, shown) = stage.ask("default", "PATCH", &path, Some(&json!({"enabled": enabled}))).await;
        assert_eq!(status, 200, "{shown}");
    };
    enable(false).await;
    stage.remember("default", "fact 1").await;
    let long_ago = "update afterthought.webhook_deliveries set status_since = now() - interval '15 days'";
    stage.owner.batch_execute(long_ago).await.unwrap();
    stage.remember("default", "fact 2").await;
    stage.notify(endpoint).await;
    assert!(stage.receiver.take().is_empty());
    let shown = stage.shown(endpoint).await;
    assert_eq!(shown["pending"], 2);
    let since: Timestamp = shown["pending_since"].as_str().unwrap().parse().unwrap();
    assert_eq!(now().duration_since(since).as_hours(), 15 * 24, "{shown}");
    let oldest = async || stage.services.positions.oldest_waiting_delivery().await.unwrap();
    assert_eq!(oldest().await, None, "nobody watches a disabled endpoint");

    let janitor = Janitor::from_services(&stage.services).unwrap();
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    let dead = async || stage.ask("default", "GET", &format!("{path}/deliveries?status=dead"), None).await.1;
    let listed = dead().await;
    assert_eq!(listed["deliveries"][0]["payload"]["data"]["content"], "fact 1");
    assert_eq!(listed["deliveries"][0]["last_error"], "waited longer than `waiting_days` allows");
    stage.remember("default", "fact 3").await;

    enable(true).await;
    assert!(oldest().await.is_some_and(|since| now().duration_since(since).as_hours() == 0));
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 2", "memory.created fact 3"]);
    assert_eq!(oldest().await, None);
    stage.ask("default", "POST", &format!("{path}/replay"), Some(&json!({"status": "dead"}))).await;
    // What is sent again waits anew: it is not given up for what it waited before.
    let again = "update afterthought.tenants set tidied_at = null";
    stage.owner.batch_execute(again).await.unwrap();
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 1"]);
    assert_eq!(dead().await["deliveries"], json!([]));
}

#[tokio::test]
async fn an_endpoint_that_is_changed_while_messages_go_out_is_read_again_before_the_next_one() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    for fact in ["fact 1", "fact 2", "fact 3"] {
        stage.remember("default", fact).await;
    }
    let moved = stage.receiver.url.replace("/hooks", "/moved");
    let change = format!(
        "update afterthought.webhook_endpoints set url = '{moved}', updated_at = clock_timestamp() where id = '{endpoint}'"
    );
    stage.receiver.when_asked(stage.changing(&change).await);
    stage.notify(endpoint).await;
    let asked: Vec<_> = stage.receiver.take().iter().map(|one| (one.path.clone(), one.told())).collect();
    assert_eq!(
        asked,
        [
            ("/hooks".to_owned(), "memory.created fact 1".to_owned()),
            ("/moved".to_owned(), "memory.created fact 2".to_owned()),
            ("/moved".to_owned(), "memory.created fact 3".to_owned()),
        ]
    );

    stage.remember("default", "fact 4").await;
    stage.remember("default", "fact 5").await;
    let disable = format!(
        "update afterthought.webhook_endpoints set status = 'disabled', disabled_because = 'asked', \
         updated_at = clock_timestamp() where id = '{endpoint}'"
    );
    stage.receiver.when_asked(stage.changing(&disable).await);
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 4"], "the others wait");
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    stage.ask("default", "PATCH", &path, Some(&json!({"enabled": true}))).await;
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 5"], "at once: nobody has the endpoint");
}

#[tokio::test]
async fn what_is_erased_while_messages_go_out_is_not_sent() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    for fact in ["fact 1", "fact 2", "fact 3"] {
        stage.remember("default", fact).await;
    }
    // What an erasure of the memory does to what waits.
    let erase = "delete from afterthought.webhook_deliveries where payload->'data'->>'content' = 'fact 2'";
    stage.receiver.when_asked(stage.changing(erase).await);
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 1", "memory.created fact 3"]);
}

#[tokio::test]
async fn what_the_old_address_answers_says_nothing_of_an_endpoint_that_has_moved() {
    for failure in [503, 410] {
        let stage = Stage::set().await;
        let (endpoint, _) = stage.endpoint(&json!({})).await;
        stage.remember("default", "likes tea").await;
        // The last of its ten attempts.
        stage.owner.batch_execute("update afterthought.webhook_deliveries set attempts = 9").await.unwrap();
        stage.receiver.answer(&[Answering::Status(failure), Answering::Status(204)]);
        let moved = stage.receiver.url.replace("/hooks", "/moved");
        let change = format!(
            "update afterthought.webhook_endpoints set url = '{moved}', updated_at = clock_timestamp()"
        );
        stage.receiver.when_asked(stage.changing(&change).await);
        stage.notify(endpoint).await;
        let asked: Vec<_> = stage.receiver.take().iter().map(|one| one.path.clone()).collect();
        assert_eq!(asked, ["/hooks", "/moved"], "after {failure}");
        let shown = stage.shown(endpoint).await;
        let known = ["enabled", "pending", "failing_since"].map(|field| shown[field].clone());
        assert_eq!(known, [json!(true), json!(0), json!(null)], "{shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_answers_late_holds_up_no_other_and_has_its_turn_like_them() {
    let stage = Stage::set().await;
    let fast = Receiver::start().await;
    let (late, _) = stage.endpoint(&json!({})).await;
    let (prompt, _) = stage.endpoint(&json!({"url": fast.url})).await;
    stage.remember("default", "fact 1").await;
    stage.remember("default", "fact 2").await;
    // The late one answers when the other has been asked, and half a minute later.
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    fast.when_asked(async move { told.notify_one() });
    stage.receiver.when_asked(async move {
        asked.notified().await;
        wait(SignedDuration::from_secs(31));
    });
    stage.notify_all_by(&stage.notifier(Reach::Anywhere), &[late, prompt]).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 1"], "its turn is over");
    assert!(fast.told().contains(&"memory.created fact 1".to_owned()));
    assert_eq!(stage.shown(late).await["pending"], 1);
    assert!(!stage.aws.drain(&stage.queue_url).await.unwrap().is_empty(), "it is woken again");
    stage.notify(late).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 2"], "nobody has it");
}

#[tokio::test]
async fn until_when_a_memory_holds_is_told() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    let tea = stage.remember("default", "likes tea").await;
    let path = format!("/v1/users/ada/memories/{tea}");
    for until in [json!("2099-01-01T00:00:00Z"), json!(null)] {
        let version = stage.ask("default", "GET", &path, None).await.1["version"].clone();
        let change = json!({"version": version, "expires_at": until});
        let (status, changed) = stage.ask("default", "PATCH", &path, Some(&change)).await;
        assert_eq!(status, 200, "{changed}");
    }
    stage.notify(endpoint).await;
    let received = stage.receiver.take();
    let told: Vec<_> =
        received.iter().map(|one| (one.told(), one.json()["data"]["expires_at"].clone())).collect();
    let updated = "memory.updated likes tea".to_owned();
    assert_eq!(
        told,
        [
            ("memory.created likes tea".to_owned(), json!(null)),
            (updated.clone(), json!("2099-01-01T00:00:00+00:00")),
            (updated, json!(null)),
        ]
    );
}

#[tokio::test]
async fn a_memory_is_cleared_away_when_its_end_has_been_told_or_given_up() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    let janitor = Janitor::from_services(&stage.services).unwrap();
    let left = async || {
        let again = "update afterthought.tenants set tidied_at = null";
        stage.owner.batch_execute(again).await.unwrap();
        assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
        let count = "select count(*) from afterthought.memories";
        stage.owner.query_one(count, &[]).await.unwrap().get::<_, i64>(0)
    };
    let tea = stage.remember("default", "likes tea").await;
    stage.notify(endpoint).await;
    stage.receiver.answer(&[Answering::Status(503)]);
    stage.ask("default", "DELETE", &format!("/v1/users/ada/memories/{tea}"), None).await;
    stage.notify(endpoint).await;
    stage
        .owner
        .batch_execute("update afterthought.memories set updated_at = now() - interval '31 days'")
        .await
        .unwrap();
    assert_eq!(left().await, 1, "the endpoint has not heard of it");
    stage
        .owner
        .batch_execute("update afterthought.webhook_deliveries set status = 'dead' where status = 'pending'")
        .await
        .unwrap();
    assert_eq!(left().await, 1, "it can still be sent again");
    stage.receiver.answer(&[Answering::Status(204)]);
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    stage.ask("default", "POST", &format!("{path}/replay"), Some(&json!({"status": "dead"}))).await;
    wait(SignedDuration::from_mins(1));
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.take().last().unwrap().told(), "memory.deleted -");
    assert_eq!(left().await, 0);
}
