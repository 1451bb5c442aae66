//! What waits for an endpoint that is disabled, and what holds of one that is changed while messages go out.

use janitor::{Janitor, Worked};
use jiff::Timestamp;
use serde_json::json;

use super::stage::{Receiver, Stage, now};

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
    stage.receiver.when_asked(Receiver::changing(&stage, &change).await);
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
    stage.receiver.when_asked(Receiver::changing(&stage, &disable).await);
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 4"], "the others wait");
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    stage.ask("default", "PATCH", &path, Some(&json!({"enabled": true}))).await;
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created fact 5"], "at once: nobody has the endpoint");
}
