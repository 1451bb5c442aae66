//! The replication reader with a real Postgres and real queues: whatever happens to a reader, every change wakes
//! its agents, and nothing is confirmed before that.

mod faults;
mod handover;
mod lane;
mod stage;
mod sweep;

use std::time::Duration;

use cdc_reader::{BulkLane, Ended, LanePolicy, Queues, Run, Sweep, SweepPolicy};
use domain::{Envelope, WakeUp};
use queue::{Publisher, Routes};
use testkit::TestAws;

use self::stage::{Place, Working, accepted, gate, later_than_every_event, now, run, versions, within};

#[tokio::test]
async fn every_agent_is_woken_once_per_session_and_the_indexer_for_memories_too() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let summarizer = aws.create_queue("summarizer").await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    let notifier = aws.create_queue("notifier").await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    let endpoint = place.endpoint().await;
    place.say(&["one", "two", "one", "one"]).await;
    place.remember(Some("two")).await;
    place.remember(None).await;
    let end = place.wal_end().await;

    let queues = Queues::new(Publisher::new(aws.sqs()), routes, now).with_notifier(Some(notifier.clone()));
    let mut reader = Working::start(place.reader(queues), run());
    reader.has_confirmed(end).await;
    reader.stopped().await;
    // The server hears of it after the reader has said so.
    within(async {
        while place.confirmed().await < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let names = place.names().await;
    for (queue, expected) in [
        (summarizer, vec!["default one 3", "default two 1"]),
        (indexer, vec!["default one 3", "default two 1", "default two memories"]),
        (notifier, vec!["default endpoint"]),
    ] {
        let mut woken = Vec::new();
        for message in aws.drain(&queue).await.unwrap() {
            let envelope = Envelope::parse(message.body().unwrap()).unwrap();
            assert_eq!((envelope.first_sent_at, envelope.deferrals), (now(), 0));
            let group =
                &message.attributes.unwrap()[&aws_sdk_sqs::types::MessageSystemAttributeName::MessageGroupId];
            woken.push(match envelope.wake_up {
                WakeUp::Session { session, version, .. } => {
                    format!("{group} {} {version}", names[&session.to_string()])
                }
                WakeUp::Memories { session, .. } => {
                    format!("{group} {} memories", names[&session.to_string()])
                }
                WakeUp::Endpoint { endpoint: woken, .. } => {
                    assert_eq!(woken, endpoint);
                    format!("{group} endpoint")
                }
                other => unreachable!("the reader never sends {other:?}"),
            });
        }
        woken.sort();
        assert_eq!(woken, expected, "{queue}");
    }
}

#[tokio::test]
async fn a_queue_that_is_gone_holds_nobody_elses_wake_ups() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let summarizer = aws.create_queue("summarizer").await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    aws.sqs().delete_queue().queue_url(&summarizer).send().await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    let queues = Queues::new(Publisher::new(aws.sqs()), routes.clone(), now);
    let mut reader = Working::start(place.reader(queues), run());
    for versions in 1..=3 {
        place.say(&["one"]).await;
        reader.has_confirmed(place.wal_end().await).await;
        let woken = aws.drain(&indexer).await.unwrap();
        assert_eq!(woken.len(), 1, "{versions}");
    }
    reader.stopped().await;
    // What could not be sent is behind its head.
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let lane = BulkLane::new(routes.clone(), &LanePolicy::default());
    let sweep = Sweep::new(place.store(), lane, routes, policy, later_than_every_event);
    assert_eq!(sweep.sweep(false).await.unwrap(), 2, "of both agents: nobody has thought yet");
}

#[tokio::test]
async fn wal_that_is_no_concern_of_the_reader_is_confirmed_too() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut reader = Working::start(place.reader(sink), run());
    reader.holds_the_slot().await;
    place.client.batch_execute("create table noise as select generate_series(1, 100000) n").await.unwrap();
    reader.has_confirmed(place.wal_end().await).await;
    assert!(wakes.try_recv().is_err());
    reader.stopped().await;
}

#[tokio::test]
async fn a_draining_reader_ends_when_everything_was_accepted() {
    let place = Place::create().await;
    place.say(&["one", "one", "two"]).await;
    let end = place.wal_end().await;
    let (_open, sink, mut wakes) = gate(true);
    let reader = Working::start(place.reader(sink), Run { drain: true, ..run() });
    assert_eq!(reader.ended().await.unwrap(), Ended::Drained);
    assert!(place.confirmed().await >= end);
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 2), ("two", 1)]));
}
