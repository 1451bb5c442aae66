mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRunner};
use uuid::Uuid;

use self::world::{World, step};
use super::agent::LONGEST_REST;
use super::*;

/// Places per agent.
const PLACES: usize = 3;

const INTERVAL: Duration = Duration::from_mins(1);

const GRACE: Duration = Duration::from_mins(2);

const RECENT: Duration = Duration::from_hours(1);

/// Waits for no quiet; waits for 30 seconds of it and drops wake-ups that newer events have overtaken.
const AGENTS: [&str; 2] = ["indexer", "summarizer"];

/// The sessions of three tenants: 0 to 4, 5 and 6, 7.
const SESSIONS: usize = 8;

fn tenant_of(session: usize) -> TenantId {
    let names = ["acme", "acme", "acme", "acme", "acme", "beta", "beta", "zeta"];
    TenantId::new(names[session]).unwrap()
}

fn id(session: usize) -> SessionId {
    SessionId(Uuid::from_u128(session as u128))
}

fn number(id: SessionId) -> usize {
    usize::try_from(id.0.as_u128()).unwrap()
}

fn policy() -> LanePolicy {
    let quiet = [("summarizer".to_owned(), Duration::from_secs(30))].into();
    LanePolicy { sessions: PLACES, interval: INTERVAL, quiet }
}

/// A lane with room for all sessions but two.
fn lane() -> Lane {
    Lane { capacity: SESSIONS - 2, ..Lane::new(AGENTS.into_iter(), &policy()) }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// 10,000 interleavings, or as many as `AFTERTHOUGHT_INTERLEAVINGS` says. One that fails is made small, printed, and kept
/// with its seed in `proptest-regressions`.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is not the program's configuration")]
fn interleavings() -> TestRunner {
    let given = std::env::var("AFTERTHOUGHT_INTERLEAVINGS").ok();
    let cases =
        given.map_or(10_000, |number| number.parse().expect("AFTERTHOUGHT_INTERLEAVINGS is a number"));
    // The default generator takes more time than the test itself.
    let rng_algorithm = RngAlgorithm::XorShift;
    TestRunner::new(Config { cases, rng_algorithm, ..Config::with_source_file(file!()) })
}

#[test]
fn whatever_happens_places_are_kept_versions_go_up_and_whoever_is_behind_is_woken_in_the_end() {
    let run = interleavings().run(&prop::collection::vec(step(), 1..60), |steps| {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settles();
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

#[test]
fn a_tenant_waits_for_at_most_one_session_of_every_other() {
    // A session of a tenant arrives, or so many come through.
    let steps = prop::collection::vec((0..5_usize, 0..3_usize), 1..60);
    let run = interleavings().run(&steps, |steps| {
        let mut lane = Lane::new(["indexer"].into_iter(), &LanePolicy { sessions: PLACES, ..policy() });
        let names = ["a", "b", "c", "d", "e"].map(|name| TenantId::new(name).unwrap());
        let mut waiting = [0_usize; 5];
        // How often each was served while another one waited, since that one was served itself.
        let mut served_meanwhile = [[0_usize; 5]; 5];
        for (session, (tenant, come_through)) in steps.into_iter().enumerate() {
            lane.arrived(&names[tenant], id(session), 1, start());
            waiting[tenant] += 1;
            for (agent, session, version) in lane.outstanding().into_iter().take(come_through) {
                lane.came_through(&agent, session, version, start());
            }
            for wake in lane.release(start()) {
                let served = names.iter().position(|name| *name == *wake.tenant).unwrap();
                waiting[served] -= 1;
                served_meanwhile[served] = [0; 5];
                for other in (0..5).filter(|other| *other != served && waiting[*other] > 0) {
                    served_meanwhile[other][served] += 1;
                    prop_assert!(served_meanwhile[other][served] <= 1, "{other} waits for {served} twice");
                }
            }
            prop_assert!(lane.outstanding().len() == PLACES || waiting == [0; 5], "a place is left empty");
        }
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

/// Sessions `from` to `through` of one tenant.
fn arrive(lane: &mut Lane, sessions: std::ops::RangeInclusive<usize>, now: Timestamp) {
    let tenant = TenantId::new("acme").unwrap();
    sessions.for_each(|session| lane.arrived(&tenant, id(session), 1, now));
}

fn indexer() -> Lane {
    Lane::new(["indexer"].into_iter(), &policy())
}

fn released(lane: &mut Lane, now: Timestamp) -> Vec<usize> {
    lane.release(now).iter().map(|wake| number(wake.session)).collect()
}

fn minutes(minutes: u64) -> Timestamp {
    start() + Duration::from_mins(minutes)
}

#[test]
fn a_session_that_stays_behind_is_woken_after_growing_pauses() {
    let mut lane = indexer();
    arrive(&mut lane, 1..=1, start());
    let woken: Vec<u64> =
        (0..80).filter(|minute| !released(&mut lane, minutes(*minute)).is_empty()).collect();
    // Two minutes of patience, then a rest of 1, 2, 4, 8, 16 and 16.
    assert_eq!(woken, [0, 3, 7, 13, 23, 41, 59, 77]);
}

#[test]
fn a_session_that_caught_up_and_fell_behind_again_is_woken_at_once() {
    let mut lane = indexer();
    arrive(&mut lane, 1..=1, start());
    assert_eq!(released(&mut lane, start()), [1]);
    lane.came_through("indexer", id(1), 1, start());
    assert_eq!(lane.next(), Next::Never);
    arrive(&mut lane, 1..=1, start());
    assert_eq!(released(&mut lane, start()), [1]);
}

#[test]
fn events_that_came_while_a_session_was_outstanding_are_woken_for_once_it_came_through() {
    let mut lane = indexer();
    let tenant = TenantId::new("acme").unwrap();
    lane.arrived(&tenant, id(1), 30, start());
    lane.release(start());
    lane.arrived(&tenant, id(1), 60, start());
    assert!(lane.release(start()).is_empty(), "the wake-up on its way finds them with it");
    lane.came_through("indexer", id(1), 30, start());
    assert_eq!(lane.release(start())[0].version, 60);
}

#[test]
fn an_agent_that_is_slow_keeps_its_queue_short_and_one_that_is_overtaken_loses_its_place() {
    let mut lane = indexer();
    arrive(&mut lane, 1..=20, start());
    assert_eq!(released(&mut lane, start()), [1, 2, 3]);
    // One comes through every two minutes; the others of the first three are simply not yet at their turn.
    lane.came_through("indexer", id(2), 1, minutes(2));
    assert_eq!(released(&mut lane, minutes(2)), [4]);
    lane.came_through("indexer", id(3), 1, minutes(4));
    assert_eq!(released(&mut lane, minutes(4)), [5]);
    // Three that were woken after it have come through: the first one is stuck, and its place goes to another.
    lane.came_through("indexer", id(4), 1, minutes(5));
    assert_eq!(released(&mut lane, minutes(5)), [6, 7]);
    assert_eq!(released(&mut lane, minutes(6)), [0_usize; 0]);
}

#[test]
fn sessions_that_all_stay_where_they_are_give_their_places_to_the_next() {
    let mut lane = indexer();
    arrive(&mut lane, 1..=9, start());
    assert_eq!(released(&mut lane, start()), [1, 2, 3]);
    assert_eq!(released(&mut lane, minutes(1)), [0_usize; 0]);
    assert_eq!(released(&mut lane, minutes(2)), [4, 5, 6]);
}

#[test]
fn an_agent_that_wants_quiet_is_woken_after_it_or_when_the_session_never_falls_quiet() {
    let policy = policy();
    let mut lane = Lane::new(["summarizer"].into_iter(), &policy);
    let tenant = TenantId::new("acme").unwrap();
    let at = |seconds: u64| start() + Duration::from_secs(seconds);
    lane.arrived(&tenant, id(1), 30, at(0));
    lane.arrived(&tenant, id(1), 60, at(20));
    assert_eq!(lane.next(), Next::At(at(50)));
    assert!(lane.release(at(49)).is_empty());
    let wakes = lane.release(at(50));
    assert_eq!((wakes[0].version, wakes[0].settled), (60, true));
    // Newer events have the agent drop that wake-up, so it is woken in its place once they are quiet too.
    lane.arrived(&tenant, id(1), 90, at(60));
    assert!(lane.release(at(89)).is_empty());
    assert_eq!(lane.release(at(90))[0].version, 90);
    lane.came_through("summarizer", id(1), 90, at(91));
    // Never quiet: ten periods are enough.
    let busy = (100..500_u32).step_by(10);
    let woken = busy.clone().find(|second| {
        lane.arrived(&tenant, id(2), i64::from(*second), at(u64::from(*second)));
        !lane.release(at(u64::from(*second))).is_empty()
    });
    assert_eq!(woken, Some(400));
}

#[test]
fn what_was_found_behind_needs_no_quiet_and_a_version_is_never_taken_back() {
    let mut lane = Lane::new(["summarizer"].into_iter(), &policy());
    let behind = |version| Behind {
        agent: "summarizer".to_owned(),
        tenant: TenantId::new("acme").unwrap(),
        session: id(1),
        version,
    };
    assert!(lane.found(&behind(7), start()));
    assert!(!lane.found(&behind(3), start()));
    assert!(!lane.found(&Behind { agent: "nobody".to_owned(), ..behind(3) }, start()));
    assert_eq!(lane.release(start())[0].version, 7);
    // An answer about what was asked before it was woken anew says nothing.
    lane.came_through("summarizer", id(1), 3, start());
    assert_eq!(lane.outstanding().len(), 1);
}

#[test]
fn everything_can_be_taken_out_at_once() {
    let mut lane = lane();
    (0..6).for_each(|session| lane.arrived(&tenant_of(session), id(session), 1, start()));
    lane.release(start());
    assert_eq!(lane.take().len(), 6 * AGENTS.len());
    assert_eq!((lane.next(), lane.take().len()), (Next::Never, 0));
}

#[test]
fn a_full_lane_asks_for_a_sweep_of_all_once_there_is_room_again() {
    let mut lane = Lane { capacity: 4, ..indexer() };
    arrive(&mut lane, 1..=4, start());
    assert!(!lane.asks_for_all());
    arrive(&mut lane, 5..=5, start());
    assert!(!lane.asks_for_all(), "it is still full");
    for session in released(&mut lane, start()) {
        lane.came_through("indexer", id(session), 1, start());
    }
    assert!(lane.asks_for_all());
    assert!(!lane.asks_for_all());
}
