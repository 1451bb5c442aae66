//! Windows that fail: which are set aside, after how many tries, and what becomes of them.

use std::time::Duration;

use domain::WakeUp;
use jiff::{SignedDuration, Timestamp};
use queue::SqsEvent;
use runtime::{Invocation, handle};
use serde_json::json;
use uuid::Uuid;

use super::stage::{NAME, Scripted, Stage, wake_up};

#[tokio::test]
async fn a_poison_event_is_set_aside_alone_and_redriven_exactly_once() {
    let stage = Stage::set().await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["a", "b", "c", "d", "refused", "f", "g", "h"]).await;
    assert!(stage.wake(&agent, session, 8).await, "the poison is dealt with, the wake-up done");
    let runs = stage.runs().await;
    assert_eq!(
        runs.iter().filter(|run| run.ends_with("quarantined")).collect::<Vec<_>>(),
        ["4 5 quarantined"]
    );
    assert_eq!(stage.contents().await, ["a", "b", "c", "d", "f", "g", "h"]);

    let letters = stage.letters().await;
    let [letter] = letters.as_slice() else { panic!("one dead letter, not {}", letters.len()) };
    assert!(matches!(letter.wake_up, WakeUp::Window { after: 4, through: 5, .. }));
    agent.windows();

    assert!(stage.deliver(&agent, letter.to_body(), 1).await, "it fails again and is dead again");
    assert_eq!(agent.windows(), [(4, 5)], "exactly the window, whatever the cursor says");
    let letters = stage.letters().await;
    assert_eq!((letters.len(), stage.runs().await), (1, runs.clone()), "the same run, still open");

    agent.mend();
    for _twice in 0..2 {
        assert!(stage.deliver(&agent, letters[0].to_body(), 1).await);
    }
    assert_eq!(agent.windows(), [(4, 5)], "the second redrive finds nothing set aside");
    assert_eq!(stage.contents().await, ["a", "b", "c", "d", "refused", "f", "g", "h"]);
    assert!(stage.runs().await.contains(&"4 5 done".to_owned()));
    assert!(stage.letters().await.is_empty());
}

#[tokio::test]
async fn what_may_not_fail_again_is_tried_five_times_before_it_is_set_aside() {
    for poison in ["invalid", "panic", "nul"] {
        let stage = Stage::set().await;
        let agent = Scripted::new();
        let session = stage.insert("one", &["a", poison, "c"]).await;
        for attempt in 1..=4 {
            assert!(!stage.wake(&agent, session, 3).await, "{poison}: attempt {attempt} comes back");
            assert_eq!(stage.contents().await, ["a"], "what is before it is done, what is behind it waits");
        }
        assert!(stage.wake(&agent, session, 3).await, "{poison}");
        assert_eq!(stage.runs().await, ["0 1 done", "1 2 quarantined", "2 3 done"], "{poison}");
        assert_eq!(stage.letters().await.len(), 1, "{poison}");
    }
}

#[tokio::test]
async fn a_window_that_passes_at_the_third_try_was_never_set_aside() {
    let stage = Stage::set().await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["panic"]).await;
    for _attempt in 0..2 {
        assert!(!stage.wake(&agent, session, 1).await);
    }
    agent.mend();
    assert!(stage.wake(&agent, session, 1).await);
    assert_eq!((stage.runs().await, stage.letters().await.len()), (vec!["0 1 done".to_owned()], 0));
}

#[tokio::test]
async fn an_outage_never_sets_a_window_aside_and_never_lets_its_wake_up_die() {
    let stage = Stage::set().await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["a", "outage"]).await;
    for _round in 0..4 {
        for receives in 1..=3 {
            assert!(!stage.deliver(&agent, wake_up(session, 2), receives).await, "it comes back by itself");
        }
        assert!(
            stage.deliver(&agent, wake_up(session, 2), 4).await,
            "sent anew before SQS would give up on it"
        );
    }
    assert_eq!(stage.delayed().await, 4);
    assert!(stage.runs().await.is_empty() && stage.letters().await.is_empty());
    agent.mend();
    assert!(stage.wake(&agent, session, 2).await);
    assert_eq!(stage.runs().await, ["0 2 done"]);
}

#[tokio::test]
async fn a_window_that_kills_the_process_ten_times_is_set_aside_without_another_try() {
    let stage = Stage::set().await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["deadly", "b"]).await;
    let now = (stage.services.now)();
    for death in 0..10_u128 {
        // A process that dies leaves its lease, which ends by itself.
        let long_ago = now - SignedDuration::from_hours(i64::try_from(20 - death).unwrap());
        let holder = Uuid::from_u128(death + 1);
        let minute = Duration::from_mins(1);
        let hot = &stage.services.hot;
        let lease = hot.acquire_lease(NAME, session, holder, 0, 2, minute, long_ago).await.unwrap();
        assert!(matches!(lease, hot::Leased::Taken(_)));
    }
    assert!(stage.wake(&agent, session, 2).await);
    assert_eq!(agent.windows(), [(1, 2)], "the deadly event is not thought about again");
    assert_eq!(stage.runs().await, ["0 1 quarantined", "1 2 done"]);
    assert!(agent.told().iter().any(|told| told.starts_with("quarantined 0 1 the process died 10 times")));
}

#[tokio::test]
async fn a_failed_message_comes_back_after_its_back_off_instead_of_the_queues_timeout() {
    let stage = Stage::set().await;
    let agent = Scripted::new();
    let session = stage.insert("one", &["outage"]).await;
    let sqs = stage.aws.sqs();
    sqs.send_message().queue_url(&stage.queue_url).message_body(wake_up(session, 1)).send().await.unwrap();
    let receive =
        || sqs.receive_message().queue_url(&stage.queue_url).visibility_timeout(600).wait_time_seconds(10);
    let first = receive().send().await.unwrap().messages.unwrap().remove(0);
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [{
        "messageId": first.message_id, "body": first.body, "receiptHandle": first.receipt_handle,
        "attributes": { "ApproximateReceiveCount": "1" },
    }]}))
    .unwrap();
    let invocation = Invocation::at(Timestamp::from_second(4_000_000_000).unwrap(), 0);
    let response = handle(&stage.services, &agent, event, &invocation).await;
    assert_eq!(response.batch_item_failures.len(), 1);
    let again = receive().send().await.unwrap().messages.unwrap_or_default();
    assert_eq!(again.len(), 1, "in seconds, not after 600");
}
