//! What comes in bulk takes the lane, and nobody who talks waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use cdc_reader::{BulkLane, FlushPolicy, Keeper, LanePolicy, Queues, Reader, Sweep, SweepPolicy};
use domain::{Envelope, WakeUp};
use queue::{Publisher, Routes};
use testkit::TestAws;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::stage::{
    Place, Working, at_the_servers_time, later_than_every_event, run, three_minutes_later, within,
};

/// Places of the lane in these tests.
const PLACES: usize = 4;

/// A reader with a lane, and the lane's keeper.
struct WithLane {
    reader: Working,
    keeper: JoinHandle<()>,
    lane: BulkLane,
}

impl WithLane {
    fn start(place: &Place, aws: &TestAws, routes: &Routes) -> Self {
        let lane = BulkLane::new(routes.clone(), &LanePolicy { sessions: PLACES, ..LanePolicy::default() });
        let queues = Queues::new(Publisher::new(aws.sqs()), routes.clone(), at_the_servers_time);
        // An import is one flush, however slow the machine.
        let policy = FlushPolicy { interval: Duration::from_secs(1), ..FlushPolicy::default() };
        let reader = Reader::new(place.source(), queues.with_lane(lane.clone()), policy, at_the_servers_time);
        let publisher = Publisher::new(aws.sqs());
        let keeper = Keeper::new(place.store(), &publisher, lane.clone(), at_the_servers_time);
        let holding = reader.holding();
        let keeper = tokio::spawn(async move { keeper.run(holding).await });
        Self { reader: Working::start(reader, run()), keeper, lane }
    }

    async fn killed(self) {
        self.keeper.abort();
        assert!(self.keeper.await.unwrap_err().is_cancelled());
        self.reader.killed().await;
    }
}

/// The tenants and sessions that a queue's messages are about, all of them received and deleted.
async fn woken(aws: &TestAws, queue: &str) -> Vec<(String, Uuid)> {
    let messages = aws.drain(queue).await.unwrap();
    let read = messages.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap().wake_up);
    read.map(|wake_up| match wake_up {
        WakeUp::Session { tenant, session, version: 1 } => (tenant.as_str().to_owned(), session.0),
        other => panic!("{other:?}"),
    })
    .collect()
}

/// Thinks about whatever the queue holds, again and again, until so many sessions were woken; answers which. There are
/// never more than `at_once` in the queue.
async fn think_about(
    place: &Place,
    aws: &TestAws,
    queue: &str,
    sessions: usize,
    at_once: usize,
) -> BTreeSet<Uuid> {
    let mut all = BTreeSet::new();
    within(async {
        while all.len() < sessions {
            let batch: Vec<Uuid> = woken(aws, queue).await.into_iter().map(|(_, session)| session).collect();
            assert!(batch.len() <= at_once, "{} at once", batch.len());
            place.think("indexer", &batch).await;
            all.extend(batch);
        }
    })
    .await;
    all
}

#[tokio::test]
async fn somebody_who_talks_does_not_wait_for_another_tenants_import() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={queue}")).unwrap();
    place.import("importer", 150).await;
    let mut reader = WithLane::start(&place, &aws, &routes);
    reader.reader.has_confirmed(place.wal_end().await).await;
    place.say(&["monday"]).await;
    reader.reader.has_confirmed(place.wal_end().await).await;

    let first = woken(&aws, &queue).await;
    assert!(first.len() <= PLACES + 1, "{first:?}");
    assert_eq!(first.iter().filter(|(tenant, _)| tenant == "default").count(), 1, "{first:?}");
    let first: Vec<Uuid> = first.into_iter().map(|(_, session)| session).collect();
    place.think("indexer", &first).await;
    // The import comes in its turn, all of it, and nobody twice.
    let rest = think_about(&place, &aws, &queue, 151 - first.len(), PLACES).await;
    assert!(first.iter().all(|session| !rest.contains(session)));
    assert_eq!(rest.len() + first.len(), 151);
    reader.reader.stopped().await;
}

#[tokio::test]
async fn what_a_dead_reader_had_still_to_wake_is_found_by_the_sweeps_of_the_next() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={queue}")).unwrap();
    place.import("importer", 150).await;
    let mut first = WithLane::start(&place, &aws, &routes);
    let end = place.wal_end().await;
    first.reader.has_confirmed(end).await;
    let before = think_about(&place, &aws, &queue, 10, PLACES).await;
    // What it confirmed is not read again by anybody.
    within(async {
        while place.confirmed().await < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    first.killed().await;
    woken(&aws, &queue).await;

    let mut second = WithLane::start(&place, &aws, &routes);
    second.reader.holds_the_slot().await;
    let sweep =
        |now| Sweep::new(place.store(), second.lane.clone(), routes.clone(), SweepPolicy::default(), now);
    // The first sweep looks at all sessions and leaves out those that are younger than its grace; the next one finds
    // them.
    assert_eq!(sweep(at_the_servers_time).sweep(true).await.unwrap(), 0);
    assert_eq!(sweep(three_minutes_later).sweep(false).await.unwrap(), 150 - before.len());
    let after = think_about(&place, &aws, &queue, 150 - before.len(), PLACES).await;
    assert!(before.is_disjoint(&after));
    second.reader.stopped().await;
}

#[tokio::test]
async fn a_session_that_is_held_gives_up_its_place_and_is_woken_when_its_hold_ends() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("indexer").await.unwrap();
    let routes = Routes::parse(&format!("indexer={queue}")).unwrap();
    let lane = BulkLane::new(routes.clone(), &LanePolicy { sessions: 1, ..LanePolicy::default() });
    let publisher = Publisher::new(aws.sqs());
    let keeper = Keeper::new(place.store(), &publisher, lane.clone(), later_than_every_event);
    let sweep = |grace| {
        let policy = SweepPolicy { grace, ..SweepPolicy::default() };
        Sweep::new(place.store(), lane.clone(), routes.clone(), policy, later_than_every_event)
    };
    place.say(&["one", "two"]).await;
    assert_eq!(sweep(Duration::ZERO).sweep(true).await.unwrap(), 2);
    keeper.look().await;
    let (_, held) = woken(&aws, &queue).await[0];
    let hold = "insert into afterthought.holds (session_id, agent, reason, until) \
                values ($1, 'indexer', 'sleep', now() + interval '1 hour')";
    place.client.execute(hold, &[&held]).await.unwrap();
    keeper.look().await;
    let (_, other) = woken(&aws, &queue).await[0];
    assert_ne!(held, other);
    place.think("indexer", &[other]).await;
    keeper.look().await;
    assert_eq!(sweep(Duration::ZERO).sweep(true).await.unwrap(), 0);

    // Its last event is too young for this sweep, so nothing but the end of the hold has it woken.
    let hour = Duration::from_hours(1);
    assert_eq!(sweep(hour).sweep(true).await.unwrap(), 0);
    place.client.batch_execute("update afterthought.holds set until = now()").await.unwrap();
    assert_eq!(sweep(hour).sweep(true).await.unwrap(), 1);
    keeper.look().await;
    assert_eq!(woken(&aws, &queue).await, [("default".to_owned(), held)]);
    let holds = place.client.query_one("select count(*) from afterthought.holds", &[]).await.unwrap();
    assert_eq!(holds.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_lane_that_keeps_the_quiet_period_itself_does_not_have_its_queue_keep_it_again() {
    let place = Place::create().await;
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("summarizer").await.unwrap();
    let delay = aws.sqs().set_queue_attributes().queue_url(&queue);
    delay.attributes(aws_sdk_sqs::types::QueueAttributeName::DelaySeconds, "900").send().await.unwrap();
    let routes = Routes::parse(&format!("summarizer={queue}")).unwrap();
    let quiet = [("summarizer".to_owned(), Duration::from_secs(30))].into();
    let lane = BulkLane::new(routes.clone(), &LanePolicy { quiet, ..LanePolicy::default() });
    let publisher = Publisher::new(aws.sqs());
    let keeper = Keeper::new(place.store(), &publisher, lane.clone(), later_than_every_event);
    let policy = SweepPolicy { grace: Duration::ZERO, ..SweepPolicy::default() };
    let sweep = Sweep::new(place.store(), lane, routes, policy, later_than_every_event);
    place.say(&["one"]).await;
    assert_eq!(sweep.sweep(true).await.unwrap(), 1);
    keeper.look().await;
    assert_eq!(woken(&aws, &queue).await.len(), 1);
}
