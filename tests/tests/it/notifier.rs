//! Webhooks out, with a real Postgres, real queues and a real server that receives them.

use std::collections::BTreeSet;

use domain::{Delivery, Envelope, Reach, WakeUp};
use jiff::SignedDuration;
use serde_json::{Value, json};

use self::stage::{Answering, Received, Stage, now, wait};

pub(crate) mod stage;
mod waiting;

pub(crate) use self::stage::sealer;

#[tokio::test]
async fn changes_of_memory_are_told_in_their_order_and_signed() {
    let stage = Stage::set().await;
    let (endpoint, secret) = stage.endpoint(&json!({})).await;
    let tea = stage.remember("default", "likes tea").await;
    let path = format!("/v1/users/ada/memories/{tea}");
    let correction = json!({"version": 1, "content": "likes coffee"});
    let (status, corrected) =
        stage.ask("default", "POST", &format!("{path}/correct"), Some(&correction)).await;
    assert_eq!(status, 200, "{corrected}");
    let coffee = corrected["memory"].as_str().unwrap();
    let (status, _) = stage.ask("default", "DELETE", &format!("/v1/users/ada/memories/{coffee}"), None).await;
    assert_eq!(status, 204);
    stage.remember("acme", "somebody else's").await;

    stage.notify(endpoint).await;
    let received = stage.receiver.take();
    let told: BTreeSet<_> = received.iter().map(Received::told).collect();
    let expected = [
        "memory.created likes coffee",
        "memory.created likes tea",
        "memory.deleted -",
        "memory.superseded likes tea",
    ];
    assert_eq!(told, expected.map(str::to_owned).into(), "each once, and nothing of another tenant");
    assert_eq!((received[0].told(), received[3].told()), (expected[1].to_owned(), expected[2].to_owned()));
    assert!(received.iter().all(|one| one.is_signed_by(&secret)));
    assert!(received.iter().all(|one| one.headers["content-type"] == "application/json"));
    let ids: BTreeSet<_> = received.iter().map(|one| one.id().to_owned()).collect();
    assert_eq!(ids.len(), 4);
    let first = received[0].json();
    let known = ["id", "user", "scope", "type"].map(|field| first["data"][field].clone());
    assert_eq!(known, [json!(tea), json!("ada"), json!("user"), json!("fact")]);
    assert_eq!(
        received[3].json()["data"].as_object().unwrap().keys().filter(|key| **key == "content").count(),
        0
    );

    stage.notify(endpoint).await;
    assert!(stage.receiver.take().is_empty(), "what was delivered is delivered");
    assert_eq!(stage.shown(endpoint).await["pending"], 0);
}

#[tokio::test]
async fn an_endpoint_is_told_of_what_it_asked_for() {
    let stage = Stage::set().await;
    let (created, _) = stage.endpoint(&json!({"events": ["memory.created"], "types": ["fact"]})).await;
    let (actions, _) = stage.endpoint(&json!({"events": ["action.detected"]})).await;
    stage.remember("default", "likes tea").await;
    let asked = json!({"type": "action", "content": "Ada will call Bob"});
    let (status, made) = stage.ask("default", "POST", "/v1/users/ada/memories", Some(&asked)).await;
    assert_eq!(status, 201, "{made}");
    stage.notify(created).await;
    assert_eq!(stage.receiver.told(), ["memory.created likes tea"]);
    stage.notify(actions).await;
    assert_eq!(stage.receiver.told(), ["action.detected Ada will call Bob"]);
}

#[tokio::test]
async fn what_failed_for_a_day_arrives_in_order_when_the_endpoint_is_back() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    stage.receiver.answer(&[Answering::Status(503)]);
    let facts: Vec<_> = (1..=3).map(|number| format!("fact {number}")).collect();
    for fact in &facts {
        stage.remember("default", fact).await;
    }
    let mut attempts = Vec::new();
    for _hour in 0..24 {
        stage.notify(endpoint).await;
        attempts.extend(stage.receiver.take());
        wait(SignedDuration::from_hours(1));
    }
    // At 0, 1, 2 and 3 hours, and with the waits of 2, 5 and 10 hours, each up to a tenth longer, at 6, 12 and 23.
    assert_eq!(attempts.len(), 7, "the schedule is kept whoever wakes it");
    let first = &attempts[0];
    assert!(
        attempts.iter().all(|one| one.id() == first.id() && one.body == first.body),
        "only the first in line"
    );
    let shown = stage.shown(endpoint).await;
    assert_eq!((&shown["enabled"], &shown["pending"]), (&json!(true), &json!(3)));
    assert!(shown["failing_since"].is_string());
    let path = format!("/v1/webhook-endpoints/{endpoint}/deliveries?status=pending");
    let (_, listed) = stage.ask("default", "GET", &path, None).await;
    let oldest = &listed["deliveries"][2];
    assert_eq!((&oldest["attempts"], &oldest["last_status"]), (&json!(7), &json!(503)));
    assert_eq!(oldest["last_error"], "answered 503");

    stage.receiver.answer(&[Answering::Status(200)]);
    wait(SignedDuration::from_hours(24));
    stage.notify(endpoint).await;
    let arrived = stage.receiver.told();
    assert_eq!(arrived, facts.iter().map(|fact| format!("memory.created {fact}")).collect::<Vec<_>>());
    assert!(stage.shown(endpoint).await["failing_since"].is_null());
}

#[tokio::test]
async fn the_next_attempt_is_on_its_way_and_a_longer_wait_is_the_sweeps() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    stage.remember("default", "likes tea").await;
    stage.receiver.answer(&[Answering::Status(500)]);
    for _attempt in 0..3 {
        stage.notify(endpoint).await;
        wait(SignedDuration::from_mins(6));
    }
    let sent = stage.receiver.take().len();
    assert_eq!(sent, 3, "after 5 seconds and after 5 minutes");
    let attributes = [aws_sdk_sqs::types::QueueAttributeName::All];
    let counted = stage.aws.sqs().get_queue_attributes().queue_url(&stage.queue_url);
    let counted = counted.set_attribute_names(Some(attributes.to_vec())).send().await.unwrap();
    let delayed = &counted.attributes.unwrap()
        [&aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesDelayed];
    assert_eq!(delayed, "2", "half an hour is longer than a queue holds a message back");
    let waiting = async || stage.services.positions.endpoints_waiting(now(), now()).await.unwrap();
    assert_eq!(waiting().await, [], "it is not due");
    wait(SignedDuration::from_mins(40));
    let due = waiting().await;
    assert_eq!(due.iter().map(|(_, endpoint)| *endpoint).collect::<Vec<_>>(), [endpoint]);
}

#[tokio::test]
async fn gone_is_gone_until_somebody_enables_it() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    stage.receiver.answer(&[Answering::Status(410), Answering::Status(204)]);
    stage.remember("default", "likes tea").await;
    stage.remember("default", "likes cake").await;
    stage.notify(endpoint).await;
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created likes tea"]);
    let shown = stage.shown(endpoint).await;
    assert_eq!((&shown["disabled_because"], &shown["pending"]), (&json!("gone"), &json!(2)));
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    let (status, enabled) = stage.ask("default", "PATCH", &path, Some(&json!({"enabled": true}))).await;
    assert_eq!((status, &enabled["enabled"]), (200, &json!(true)));
    let woken = stage.aws.drain(&stage.queue_url).await.unwrap();
    assert!(matches!(Envelope::parse(woken[0].body().unwrap()).unwrap().wake_up, WakeUp::Endpoint { .. }));
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created likes tea", "memory.created likes cake"]);
}

#[tokio::test]
async fn what_is_tried_ten_times_is_set_aside_and_can_be_sent_again() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    let most = usize::try_from(Delivery::MOST_ATTEMPTS).unwrap();
    stage.receiver.answer(&[vec![Answering::Status(400); most], vec![Answering::Status(200)]].concat());
    stage.remember("default", "likes tea").await;
    stage.remember("default", "likes cake").await;
    for _attempt in 0..most {
        stage.notify(endpoint).await;
        wait(SignedDuration::from_hours(27));
    }
    let shown = stage.shown(endpoint).await;
    // Longer than five days: the endpoint is given up before the message is.
    assert_eq!(shown["disabled_because"], "failing");
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    stage.ask("default", "PATCH", &path, Some(&json!({"enabled": true}))).await;
    let failed = stage.receiver.take().len();
    for _attempt in failed..most {
        stage.notify(endpoint).await;
        wait(SignedDuration::from_hours(27));
    }
    assert_eq!(
        stage.receiver.told().last().map(String::as_str),
        Some("memory.created likes cake"),
        "the next one goes on"
    );
    let dead = async || stage.ask("default", "GET", &format!("{path}/deliveries?status=dead"), None).await.1;
    let listed = dead().await;
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(listed["deliveries"][0]["payload"]["data"]["content"], "likes tea");
    let (status, replayed) = stage.ask("default", "POST", &format!("{path}/replay"), Some(&json!({}))).await;
    assert_eq!((status, replayed), (202, json!({"renewed": 1})));
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.told(), ["memory.created likes tea"]);
    assert_eq!(dead().await["deliveries"], json!([]));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_address_inside_is_not_asked() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    stage.remember("default", "likes tea").await;
    let inside = stage.receiver.url.replace("/hooks", "/inside");
    stage.receiver.answer(&[Answering::With(302, "location", inside), Answering::Status(204)]);
    stage.notify(endpoint).await;
    assert_eq!(stage.receiver.take().len(), 1);
    let path = format!("/v1/webhook-endpoints/{endpoint}/deliveries");
    let last = async || stage.ask("default", "GET", &path, None).await.1["deliveries"][0].clone();
    assert_eq!(last().await["last_error"], "answered 302: redirects are not followed");
    wait(SignedDuration::from_hours(1));
    stage.notify_by(&stage.notifier(Reach::Public), endpoint).await;
    assert!(stage.receiver.take().is_empty());
    assert_eq!(last().await["last_error"], "the url is not https");
}

#[tokio::test]
async fn a_slow_endpoint_is_given_up_on_and_tried_again() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    stage.remember("default", "likes tea").await;
    let busy = Answering::With(429, "retry-after", "1800".to_owned());
    stage.receiver.answer(&[Answering::Never, busy, Answering::Status(204)]);
    stage.notify(endpoint).await;
    let path = format!("/v1/webhook-endpoints/{endpoint}/deliveries");
    let last = async || stage.ask("default", "GET", &path, None).await.1["deliveries"][0].clone();
    let failed = last().await;
    assert_eq!((&failed["attempts"], &failed["last_status"]), (&json!(1), &Value::Null));
    assert!(failed["last_error"].as_str().unwrap().contains("timed out"), "{failed}");
    for minutes in [6, 6, 30] {
        wait(SignedDuration::from_mins(minutes));
        stage.notify(endpoint).await;
    }
    assert_eq!(stage.receiver.take().len(), 3, "it asked for half an hour");
    assert_eq!(last().await["status"], "delivered");
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_sent_again_as_it_was() {
    let stage = Stage::set().await;
    let (endpoint, secret) = stage.endpoint(&json!({})).await;
    stage.remember("default", "likes tea").await;
    // A sender took the endpoint, sent the message and died before it could write that down.
    let claim = uuid::Uuid::from_u128(1);
    let tenant = domain::TenantId::new("default").unwrap();
    let until = now() + SignedDuration::from_secs(20);
    let store = &stage.services.store;
    let taken = store.claim_endpoint(&tenant, endpoint, claim, (now(), until)).await.unwrap().unwrap();
    let taken = taken.next.unwrap();
    stage.notify(endpoint).await;
    assert!(stage.receiver.take().is_empty(), "it is the other's as long as that may live");
    wait(SignedDuration::from_secs(30));
    stage.notify(endpoint).await;
    let again = stage.receiver.take();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].id(), format!("msg_{}", taken.message.simple()));
    assert_eq!(again[0].body, taken.payload);
    assert!(again[0].is_signed_by(&secret));
}

#[tokio::test]
async fn two_senders_at_once_send_each_message_once_and_in_order() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    let facts: Vec<_> = (1..=20).map(|number| format!("fact {number}")).collect();
    for fact in &facts {
        stage.remember("default", fact).await;
    }
    futures::join!(stage.notify(endpoint), stage.notify(endpoint), stage.notify(endpoint));
    let told = stage.receiver.told();
    assert_eq!(told, facts.iter().map(|fact| format!("memory.created {fact}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_one_before_until_its_time_is_over() {
    let stage = Stage::set().await;
    let (endpoint, old) = stage.endpoint(&json!({})).await;
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    let (status, rotated) =
        stage.ask("default", "POST", &format!("{path}/rotate"), Some(&json!({"overlap_hours": 1}))).await;
    assert_eq!(status, 200, "{rotated}");
    let new = rotated["secret"].as_str().unwrap();
    let trial = async || {
        let (status, sent) = stage.ask("default", "POST", &format!("{path}/test"), None).await;
        assert_eq!(status, 202);
        stage.notify(endpoint).await;
        let received = stage.receiver.take();
        assert_eq!((received.len(), received[0].id()), (1, sent["webhook_id"].as_str().unwrap()));
        assert_eq!(received[0].json()["type"], "webhook.test");
        received[0].clone()
    };
    let both = trial().await;
    assert!(both.is_signed_by(&old) && both.is_signed_by(new));
    assert_eq!(both.headers["webhook-signature"].to_str().unwrap().split(' ').count(), 2);
    wait(SignedDuration::from_hours(2));
    let one = trial().await;
    assert_eq!(one.headers["webhook-signature"].to_str().unwrap().split(' ').count(), 1);
    let stored =
        stage.owner.query_one("select secret::text from afterthought.webhook_endpoints", &[]).await.unwrap();
    assert!(!stored.get::<_, String>(0).contains(new), "it is sealed");
}

#[tokio::test]
async fn an_old_secret_that_nobody_can_read_any_more_does_not_hold_up_the_new_one() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    let path = format!("/v1/webhook-endpoints/{endpoint}/rotate");
    let (status, rotated) = stage.ask("default", "POST", &path, Some(&json!({}))).await;
    assert_eq!(status, 200, "{rotated}");
    let lose = "update afterthought.webhook_endpoints set old_secret = sha256('another key sealed it')";
    stage.owner.batch_execute(lose).await.unwrap();
    stage.remember("default", "likes tea").await;
    stage.notify(endpoint).await;
    let received = stage.receiver.take();
    assert_eq!(received.len(), 1);
    assert!(received[0].is_signed_by(rotated["secret"].as_str().unwrap()));
}

#[tokio::test]
async fn bad_input_is_named_and_an_endpoint_of_another_tenant_is_none() {
    let stage = Stage::set().await;
    let (endpoint, _) = stage.endpoint(&json!({})).await;
    for (asked, parameter) in [
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "https://user:secret@example.com"}), "url"),
        (json!({"url": "https://example.com", "events": []}), "events"),
        (json!({"url": "https://example.com", "events": ["memory.made"]}), "events"),
        (json!({"url": "https://example.com", "types": ["fact", "fact"]}), "types"),
        (json!({"url": "https://example.com", "colour": "red"}), "colour"),
    ] {
        let (status, problem) = stage.ask("default", "POST", "/v1/webhook-endpoints", Some(&asked)).await;
        assert_eq!(status, 400, "{asked} {problem}");
        let said = problem.to_string();
        assert!(said.contains(parameter) && !said.contains("user:secret"), "{problem}");
    }
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("PATCH", path.clone(), Some(json!({"enabled": false}))),
        ("DELETE", path.clone(), None),
        ("POST", format!("{path}/rotate"), Some(json!({}))),
        ("GET", format!("{path}/deliveries"), None),
        ("POST", format!("{path}/replay"), Some(json!({}))),
        ("POST", format!("{path}/test"), None),
    ] {
        let (status, problem) = stage.ask("acme", method, &path, body.as_ref()).await;
        assert_eq!(status, 404, "{method} {path} {problem}");
    }
    assert_eq!(stage.ask("acme", "GET", "/v1/webhook-endpoints", None).await.1, json!({"endpoints": []}));
    assert_eq!(stage.shown(endpoint).await["enabled"], true, "nothing was changed");
    assert_eq!(stage.ask("default", "DELETE", &path, None).await.0, 204);
    assert_eq!(stage.ask("default", "DELETE", &path, None).await.0, 404);
}
