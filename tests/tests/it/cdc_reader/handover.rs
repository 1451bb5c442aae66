//! One slot, several readers: who stands by, who leaves, and who takes over.

use std::time::Duration;

use cdc_reader::{Ended, Lifetime, Run, WhenBusy};

use super::stage::{Place, Working, accepted, gate, now, run, versions};

#[tokio::test]
async fn a_second_reader_stands_by_and_takes_over_when_the_first_stops() {
    let place = Place::create().await;
    let (_open, sink, mut wakes) = gate(true);
    let mut first = Working::start(place.reader(sink), run());
    first.holds_the_slot().await;
    let (_open, sink, mut later_wakes) = gate(true);
    let mut second = Working::start(place.reader(sink), run());
    place.say(&["one"]).await;
    first.has_confirmed(place.wal_end().await).await;
    assert!(!*second.holding.borrow());

    let asked = std::time::Instant::now();
    first.stopped().await;
    second.holds_the_slot().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "a planned hand-over took {:?}", asked.elapsed());
    place.say(&["one", "two"]).await;
    second.has_confirmed(place.wal_end().await).await;
    assert_eq!(accepted(&place, &mut wakes).await, versions([("one", 1)]));
    assert_eq!(accepted(&place, &mut later_wakes).await, versions([("one", 2), ("two", 1)]));
    second.stopped().await;
}

#[tokio::test]
async fn an_invocation_leaves_the_slot_to_a_reader_that_goes_on_and_waits_for_one_that_is_about_to_stop() {
    let place = Place::create().await;
    let lives_until = |seconds| Lifetime::Until(now() + Duration::from_secs(seconds));
    let invocation =
        |seconds| Run { lifetime: lives_until(seconds), when_busy: WhenBusy::LeaveToLongLived, ..run() };
    let (_open, sink, _wakes) = gate(true);
    let mut active = Working::start(place.reader(sink), invocation(800));
    active.holds_the_slot().await;
    let (_open, sink, _more) = gate(true);
    let newcomer = Working::start(place.reader(sink), invocation(840));
    assert_eq!(newcomer.ended().await.unwrap(), Ended::LeftToOther);
    active.stopped().await;

    let (_open, sink, _wakes) = gate(true);
    let mut ending = Working::start(place.reader(sink), invocation(60));
    ending.holds_the_slot().await;
    let (_open, sink, _more) = gate(true);
    let mut newcomer = Working::start(place.reader(sink), invocation(840));
    ending.stopped().await;
    newcomer.holds_the_slot().await;
    newcomer.stopped().await;
}
