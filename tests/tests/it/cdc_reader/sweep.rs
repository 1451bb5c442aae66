//! What no reader was told of is found by looking.

use std::time::Duration;

use cdc_reader::{BulkLane, Keeper, LanePolicy, Sweep, SweepPolicy};
use domain::{Envelope, WakeUp};
use queue::{Publisher, Routes};
use testkit::TestAws;

use super::stage::{Place, at_the_servers_time, later_than_every_event};

#[tokio::test]
async fn the_sweep_wakes_the_indexer_for_memories_it_was_not_told_of() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={indexer}")).unwrap();
    place.say(&["one", "two"]).await;
    for session in ["one", "two", "two"] {
        place.remember(Some(session)).await;
    }
    place.remember(None).await;
    let sweep = |grace, now| {
        let policy = SweepPolicy { grace, ..SweepPolicy::default() };
        let lane = BulkLane::new(routes.clone(), &LanePolicy::default());
        Sweep::new(place.store(), lane, routes.clone(), policy, now).with_memories(Publisher::new(aws.sqs()))
    };
    let memories = async || {
        let woken = aws.drain(&indexer).await.unwrap();
        let is_memories = |message: &aws_sdk_sqs::types::Message| {
            let wake_up = Envelope::parse(message.body().unwrap()).unwrap().wake_up;
            matches!(wake_up, WakeUp::Memories { .. })
        };
        woken.iter().filter(|message| is_memories(message)).count()
    };
    sweep(Duration::from_mins(2), at_the_servers_time).sweep(true).await.unwrap();
    assert_eq!(memories().await, 0, "they are on their ordinary way");
    sweep(Duration::ZERO, later_than_every_event).sweep(false).await.unwrap();
    assert_eq!(memories().await, 0, "only a sweep of all looks at them");
    sweep(Duration::ZERO, later_than_every_event).sweep(true).await.unwrap();
    assert_eq!(memories().await, 1, "a user is woken for once");
    let embed = "update afterthought.memories set embedding = '[1]', embedding_model = 'test'";
    place.client.batch_execute(embed).await.unwrap();
    sweep(Duration::ZERO, later_than_every_event).sweep(true).await.unwrap();
    assert_eq!(memories().await, 0);
}

#[tokio::test]
async fn the_sweep_wakes_an_agent_that_stayed_behind_and_no_other() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let summarizer = aws.create_queue("summarizer").await.unwrap();
    let indexer = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("summarizer={summarizer},indexer={indexer}")).unwrap();
    place.say(&["one", "one", "two"]).await;
    place
        .client
        .batch_execute(
            "insert into afterthought.agent_cursors (session_id, agent, tenant, through) \
             select id, 'summarizer', tenant, head_version from afterthought.sessions",
        )
        .await
        .unwrap();
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let lane = BulkLane::new(routes.clone(), &LanePolicy::default());
    let keeper = Keeper::new(place.store(), &Publisher::new(aws.sqs()), lane.clone(), later_than_every_event);
    let sweep = Sweep::new(place.store(), lane, routes, policy, later_than_every_event);
    assert_eq!(sweep.sweep(false).await.unwrap(), 2);
    assert!(keeper.look().await);
    // They are on their way now; a session that stays behind is woken again later.
    assert_eq!(sweep.sweep(true).await.unwrap(), 0);
    assert!(keeper.look().await);
    assert_eq!(aws.drain(&summarizer).await.unwrap().len(), 0);
    let names = place.names().await;
    let mut woken: Vec<_> = aws
        .drain(&indexer)
        .await
        .unwrap()
        .iter()
        .map(|message| match Envelope::parse(message.body().unwrap()).unwrap().wake_up {
            WakeUp::Session { session, version, .. } => format!("{} {version}", names[&session.to_string()]),
            other => panic!("{other:?}"),
        })
        .collect();
    woken.sort();
    assert_eq!(woken, ["one 2", "two 1"]);
}
