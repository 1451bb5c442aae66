//! Leases, steps, rates, budgets and slots over the real protocol: what they come to, for how many requests, and with
//! answers that are lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{SessionId, TenantId};
use futures::future::join_all;
use hot::{Admitted, Hot, Lease, Leased, Put, Rate, Read, Reserved, Slot, StepKey};
use jiff::civil::{Date, date};
use testkit::TestAws;
use uuid::Uuid;

use super::{MINUTE, at, hot};

const DAY: Date = date(2027, 1, 15);

/// What goes over the wire: how many requests, and how many of the next answers are lost after the request was carried
/// out. A lost one reaches the SDK as a failure of the server, so it sends the request again.
#[derive(Debug, Default, Clone)]
struct Wire {
    sent: Arc<AtomicUsize>,
    to_lose: Arc<AtomicUsize>,
}

impl Intercept for Wire {
    fn name(&self) -> &'static str {
        "wire"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let take_one = |left: usize| left.checked_sub(1);
        if self.to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok() {
            *context.response_mut().status_mut() = 500.try_into()?;
        }
        Ok(())
    }
}

impl Wire {
    /// The requests since it was last asked.
    fn sent(&self) -> usize {
        self.sent.swap(0, Ordering::Relaxed)
    }

    fn lose_next(&self) {
        self.to_lose.store(1, Ordering::Relaxed);
    }
}

/// Another process at the same table.
fn process(aws: &TestAws) -> (Hot, Wire) {
    let wire = Wire::default();
    let config = aws_sdk_dynamodb::config::Builder::from(aws.config())
        .interceptor(wire.clone())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .build();
    (Hot::new(aws_sdk_dynamodb::Client::from_conf(config), "afterthought-hot".into()), wire)
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

async fn lease(hot: &Hot, holder: u128, after: i64, through: i64, second: i64) -> Leased {
    let (session, holder) = (SessionId(Uuid::from_u128(1)), Uuid::from_u128(holder));
    hot.acquire_lease("summarizer", session, holder, after, through, MINUTE, at(second)).await.unwrap()
}

fn taken(leased: Leased) -> Lease {
    let Leased::Taken(lease) = leased else { panic!("{leased:?}") };
    lease
}

#[tokio::test]
async fn a_lease_costs_one_request_and_knows_its_window() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    let first = taken(lease(&hot, 1, 0, 5, 0).await);
    assert_eq!((first.tries, first.through, wire.sent()), (1, 5, 1));

    let after_a_crash = taken(lease(&hot, 2, 0, 9, 61).await);
    assert_eq!((after_a_crash.tries, after_a_crash.through, wire.sent()), (2, 5, 1));

    let next = hot.renew_lease(&after_a_crash, 5, 12, MINUTE, at(62)).await.unwrap();
    let next = taken(next);
    assert_eq!((next.tries, next.through, wire.sent()), (1, 12, 1), "the next window");
    assert_eq!(lease(&hot, 3, 5, 12, 100).await, Leased::Held { until: at(122) }, "for as long again");
    wire.sent();

    hot.yield_lease(&Lease { through: 8, ..next }).await.unwrap();
    assert_eq!(wire.sent(), 1);
    let again = taken(lease(&hot, 3, 5, 20, 63).await);
    assert_eq!((again.tries, again.through, wire.sent()), (2, 8, 1), "free at once, its tries kept");

    let progress = taken(lease(&hot, 4, 8, 20, 200).await);
    assert_eq!((progress.tries, progress.through, wire.sent()), (1, 20, 2), "it died after its commit");
    hot.release_lease(&again).await.unwrap();
    assert!(matches!(lease(&hot, 5, 8, 20, 201).await, Leased::Held { .. }), "a late release ends nothing");
    wire.sent();
    hot.release_lease(&progress).await.unwrap();
    assert_eq!(wire.sent(), 1);
    assert_eq!(taken(lease(&hot, 5, 8, 20, 201).await).tries, 1);
}

#[tokio::test]
async fn a_lease_whose_answer_is_lost_is_the_same_try() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    wire.lose_next();
    let first = taken(lease(&hot, 1, 0, 5, 0).await);
    assert_eq!((first.tries, first.through), (1, 5));
    wire.lose_next();
    let next = taken(hot.renew_lease(&first, 5, 9, MINUTE, at(1)).await.unwrap());
    assert_eq!((next.tries, next.through), (1, 9));
    wire.lose_next();
    hot.yield_lease(&next).await.unwrap();
    assert_eq!(taken(lease(&hot, 1, 5, 9, 2).await).tries, 2, "the same run, but it gave up in between");
}

#[tokio::test]
async fn who_thinks_now_is_told_for_many_sessions_at_once() {
    let (_aws, hot) = hot().await;
    let session = |number: u128| SessionId(Uuid::from_u128(number));
    let take = async |agent: &str, number| {
        hot.acquire_lease(agent, session(number), Uuid::from_u128(9), 0, 1, MINUTE, at(0)).await.unwrap()
    };
    take("indexer", 7).await;
    let given_up = taken(take("indexer", 150).await);
    hot.yield_lease(&given_up).await.unwrap();
    let mut asked: Vec<(&str, SessionId)> = (0..250).map(|number| ("indexer", session(number))).collect();
    asked.push(("indexer", session(7)));
    asked.push(("summarizer", session(7)));
    let held = hot.leases_held(&asked, at(59)).await.unwrap();
    let held: Vec<usize> = (0..).zip(held).filter_map(|(index, held)| held.then_some(index)).collect();
    assert_eq!(held, [7, 250]);
    assert_eq!(hot.leases_held(&asked, at(60)).await.unwrap(), vec![false; 252]);
    assert_eq!(hot.leases_held(&[], at(0)).await.unwrap(), Vec::<bool>::new());
}

fn step(name: &str) -> StepKey<'_> {
    StepKey {
        agent: "summarizer",
        session: SessionId(Uuid::from_u128(1)),
        after: 0,
        through: 5,
        name,
        question: [3; 32],
    }
}

#[tokio::test]
async fn the_first_result_of_a_step_stays_for_an_hour() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    let key = step("summarise");
    assert_eq!(hot.get_step(&key, at(0)).await.unwrap(), Read::Absent);
    wire.sent();
    wire.lose_next();
    assert_eq!(
        hot.put_step(&key, b"one", at(0)).await.unwrap(),
        Put::Outdated,
        "it is its own that is there"
    );
    wire.sent();
    assert_eq!(hot.put_step(&key, b"two", at(1)).await.unwrap(), Put::Outdated);
    assert_eq!(wire.sent(), 1);
    assert_eq!(hot.get_step(&key, at(3599)).await.unwrap(), Read::Present(b"one".to_vec()));
    assert_eq!(hot.get_step(&key, at(3600)).await.unwrap(), Read::Absent);
    assert_eq!(hot.get_step(&step("summarise#"), at(0)).await.unwrap(), Read::Absent);
    wire.sent();
    assert_eq!(hot.put_step(&key, b"two", at(3600)).await.unwrap(), Put::Stored);
    assert_eq!(wire.sent(), 2, "in the place of what has expired");
}

#[tokio::test]
async fn of_two_results_at_once_one_stays_and_a_damaged_one_is_replaced() {
    let (aws, one) = hot().await;
    let (two, _) = process(&aws);
    let key = step("summarise");
    let puts = tokio::join!(one.put_step(&key, b"one", at(0)), two.put_step(&key, b"two", at(0)));
    let puts = [puts.0.unwrap(), puts.1.unwrap()];
    assert!(puts == [Put::Stored, Put::Outdated] || puts == [Put::Outdated, Put::Stored], "{puts:?}");
    let kept: &[u8] = if puts == [Put::Stored, Put::Outdated] { b"one" } else { b"two" };
    assert_eq!(two.get_step(&key, at(0)).await.unwrap(), Read::Present(kept.to_vec()));

    let items = aws.dynamodb().scan().table_name("afterthought-hot").send().await.unwrap().items.unwrap();
    let mut item = items.into_iter().next().unwrap();
    item.insert("result".into(), AttributeValue::B(Blob::new("three")));
    aws.dynamodb().put_item().table_name("afterthought-hot").set_item(Some(item)).send().await.unwrap();
    assert!(matches!(one.get_step(&key, at(0)).await.unwrap(), Read::Corrupt { .. }));
    assert_eq!(one.put_step(&key, b"four", at(0)).await.unwrap(), Put::Stored);
    assert_eq!(one.get_step(&key, at(0)).await.unwrap(), Read::Present(b"four".to_vec()));
}

#[tokio::test]
async fn a_result_that_no_item_can_hold_is_not_kept() {
    let (_aws, hot) = hot().await;
    let largest = vec![7; 349_999];
    assert_eq!(hot.put_step(&step("a"), &largest, at(0)).await.unwrap(), Put::Stored);
    assert_eq!(hot.get_step(&step("a"), at(0)).await.unwrap(), Read::Present(largest));
    assert_eq!(hot.put_step(&step("b"), &vec![7; 350_000], at(0)).await.unwrap(), Put::TooLarge);
    assert_eq!(hot.get_step(&step("b"), at(0)).await.unwrap(), Read::Absent);
}

#[tokio::test]
async fn whoever_asks_alone_is_admitted_with_one_request_and_put_off_with_none() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    let (acme, rate) = (tenant("acme"), Rate { per_minute: 60, burst: 2 });
    for _ in 0..2 {
        assert_eq!(hot.throttle("model", &acme, rate, at(0)).await.unwrap(), Admitted::Yes);
        assert_eq!(wire.sent(), 1);
    }
    assert_eq!(hot.throttle("model", &acme, rate, at(0)).await.unwrap(), Admitted::Later { at: at(1) });
    assert_eq!(wire.sent(), 0);
    assert_eq!(hot.throttle("embedder", &acme, rate, at(0)).await.unwrap(), Admitted::Yes);
    assert_eq!(hot.throttle("model", &tenant("other"), rate, at(0)).await.unwrap(), Admitted::Yes);
    let one = std::num::NonZeroU32::MIN;
    let allowance = hot.rate_limit("model", &acme, rate, one, at(0)).await.unwrap();
    assert_eq!((allowance.admitted, allowance.left), (Admitted::Yes, 1));
    assert_eq!(hot.throttle("model", &acme, rate, at(1)).await.unwrap(), Admitted::Yes);
    assert_eq!(hot.throttle("model", &acme, rate, at(1)).await.unwrap(), Admitted::Later { at: at(2) });

    wire.lose_next();
    assert_eq!(
        hot.throttle("model", &acme, rate, at(2)).await.unwrap(),
        Admitted::Later { at: at(3) },
        "the lost answer has cost the place"
    );
}

#[tokio::test]
async fn two_processes_share_one_rate_and_the_loss_of_it_costs_one_burst() {
    let (aws, one) = hot().await;
    let (two, wire) = process(&aws);
    let (acme, rate) = (tenant("acme"), Rate { per_minute: 60, burst: 5 });
    let attempts = (0..20).map(|attempt| {
        let (hot, acme) = (if attempt % 2 == 0 { &one } else { &two }, &acme);
        async move { hot.throttle("model", acme, rate, at(0)).await.unwrap() }
    });
    let mut admitted = join_all(attempts).await.into_iter().filter(|answer| *answer == Admitted::Yes).count();
    assert!(admitted <= 5);
    // Some may have been put off because too many came at once.
    for _ in 0..6 {
        admitted += usize::from(two.throttle("model", &acme, rate, at(0)).await.unwrap() == Admitted::Yes);
    }
    assert_eq!(admitted, 5);
    assert_eq!(one.throttle("model", &acme, rate, at(1)).await.unwrap(), Admitted::Yes);
    wire.sent();
    assert_eq!(two.throttle("model", &acme, rate, at(1)).await.unwrap(), Admitted::Later { at: at(2) });
    assert_eq!(wire.sent(), 1, "what it saw last was outdated");

    let items = aws.dynamodb().scan().table_name("afterthought-hot").send().await.unwrap().items.unwrap();
    for mut item in items {
        item.retain(|name, _| name == "pk" || name == "sk");
        aws.dynamodb().delete_item().table_name("afterthought-hot").set_key(Some(item)).send().await.unwrap();
    }
    let (fresh, _) = process(&aws);
    for admitted in [true, true, true, true, true, false] {
        let answer = fresh.throttle("model", &acme, rate, at(2)).await.unwrap();
        assert_eq!(answer == Admitted::Yes, admitted);
    }
}

#[tokio::test]
async fn a_budget_is_seeded_once_and_never_exceeded() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    let acme = tenant("acme");
    let reserve = async |estimate, seed| hot.reserve_tokens(&acme, DAY, estimate, 1000, seed).await.unwrap();
    assert_eq!(reserve(400, None).await, Reserved::Unknown);
    assert_eq!(wire.sent(), 1);
    assert_eq!(reserve(400, Some(300)).await, Reserved::Yes);
    assert_eq!(wire.sent(), 1);
    assert_eq!(reserve(400, Some(0)).await, Reserved::Exhausted, "the first seed counts");
    wire.sent();
    assert_eq!(reserve(400, None).await, Reserved::Exhausted);
    hot.settle_tokens(&acme, DAY, 400, 100).await.unwrap();
    assert_eq!(wire.sent(), 2);
    hot.settle_tokens(&acme, DAY, 100, 100).await.unwrap();
    assert_eq!(wire.sent(), 0);
    assert_eq!(reserve(600, None).await, Reserved::Yes);
    assert_eq!(reserve(1, None).await, Reserved::Exhausted);

    let tomorrow = DAY.tomorrow().unwrap();
    assert_eq!(hot.reserve_tokens(&acme, tomorrow, 1, 1000, None).await.unwrap(), Reserved::Unknown);
    assert_eq!(hot.reserve_tokens(&tenant("other"), DAY, 1, 1000, None).await.unwrap(), Reserved::Unknown);
    hot.settle_tokens(&acme, tomorrow, 500, 0).await.unwrap();
    assert_eq!(
        hot.reserve_tokens(&acme, tomorrow, 1, 1000, None).await.unwrap(),
        Reserved::Unknown,
        "what is given back to nothing is nothing"
    );
}

#[tokio::test]
async fn of_many_that_reserve_at_once_as_many_get_it_as_there_is() {
    let (aws, one) = hot().await;
    let (two, _) = process(&aws);
    let acme = tenant("acme");
    let attempts = (0..20).map(|attempt| {
        let (hot, acme) = (if attempt % 2 == 0 { &one } else { &two }, &acme);
        async move { hot.reserve_tokens(acme, DAY, 100, 1000, Some(150)).await.unwrap() }
    });
    let granted = join_all(attempts).await.into_iter().filter(|answer| *answer == Reserved::Yes).count();
    assert_eq!(granted, 8);
}

#[tokio::test]
async fn what_is_given_back_is_given_back_once_although_the_answer_is_lost() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    let acme = tenant("acme");
    assert_eq!(hot.reserve_tokens(&acme, DAY, 900, 1000, Some(0)).await.unwrap(), Reserved::Yes);
    wire.sent();
    wire.lose_next();
    assert!(matches!(hot.settle_tokens(&acme, DAY, 900, 600).await, Err(hot::Error::Unavailable(_))));
    assert_eq!(wire.sent(), 1, "it is not sent again");
    assert_eq!(hot.reserve_tokens(&acme, DAY, 400, 1000, None).await.unwrap(), Reserved::Yes);
    assert_eq!(hot.reserve_tokens(&acme, DAY, 1, 1000, None).await.unwrap(), Reserved::Exhausted);
}

async fn slot(hot: &Hot, holder: u128, limit: u32, second: i64) -> Option<Slot> {
    let holder = Uuid::from_u128(holder);
    hot.acquire_slot("summarizer", &tenant("acme"), limit, holder, MINUTE, at(second)).await.unwrap()
}

#[tokio::test]
async fn a_slot_costs_one_request_and_its_holders_death_no_more_than_its_time() {
    let (aws, _) = hot().await;
    let (hot, wire) = process(&aws);
    assert!(slot(&hot, 1, 2, 0).await.is_some());
    assert_eq!(wire.sent(), 2, "the first one makes the list");
    wire.lose_next();
    let second = slot(&hot, 2, 2, 10).await.unwrap();
    assert_eq!(wire.sent(), 2, "sent twice because of the lost answer");
    assert!(slot(&hot, 1, 2, 20).await.is_some(), "it has one already");
    assert_eq!(slot(&hot, 3, 2, 30).await, None);
    wire.sent();
    hot.release_slot(&second).await.unwrap();
    hot.release_slot(&second).await.unwrap();
    assert_eq!(wire.sent(), 2);
    assert!(slot(&hot, 3, 2, 30).await.is_some());
    assert_eq!(wire.sent(), 1);
    assert_eq!(slot(&hot, 4, 2, 79).await, None);
    assert!(slot(&hot, 4, 2, 80).await.is_some(), "the first one has died");
    assert_eq!(slot(&hot, 5, 0, 80).await, None);
    let other = hot.acquire_slot("summarizer", &tenant("acme#"), 1, Uuid::nil(), MINUTE, at(80)).await;
    assert!(other.unwrap().is_some());
}

#[tokio::test]
async fn of_many_at_once_as_many_get_a_slot_as_there_are() {
    let (aws, one) = hot().await;
    let (two, _) = process(&aws);
    let attempts = (0..12).map(|holder| slot(if holder % 2 == 0 { &one } else { &two }, holder, 3, 0));
    assert_eq!(join_all(attempts).await.into_iter().flatten().count(), 3);
}

#[tokio::test]
async fn the_slots_of_more_dead_than_one_write_clears_are_cleared() {
    let (_aws, hot) = hot().await;
    let attempts = (0..70).map(|holder| slot(&hot, holder, 100, 0));
    assert_eq!(join_all(attempts).await.into_iter().flatten().count(), 70);
    assert_eq!(slot(&hot, 1000, 2, 59).await, None);
    assert!(slot(&hot, 1000, 2, 60).await.is_some());
    assert!(slot(&hot, 1001, 2, 60).await.is_some());
    assert_eq!(slot(&hot, 1002, 2, 60).await, None);
}
