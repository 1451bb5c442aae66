//! A model of the world around a [`Flow`](super::Flow): logs and cursors, leases and memos, queues, a reader that forgets, a sweep, operators,
//! providers, and workers that die at any step or do something and never hear of it.
//!
//! Every simulation follows from its seed. After a number of steps the faults stop and the world is run until it is
//! quiet; `World::must` says what has to hold at every step and at the end. A failure is cut down to the steps it takes
//! and printed with its seed.
//!
//! `AFTERTHOUGHT_INTERLEAVINGS` sets how many seeds every suite runs, `AFTERTHOUGHT_SEED` runs a single one and prints
//! what happens in it.

#![expect(clippy::cast_possible_wrap, reason = "versions, seconds and indices are small here")]
#![expect(clippy::cast_possible_truncation, reason = "versions, seconds and indices are small here")]
#![expect(clippy::cast_sign_loss, reason = "versions and seconds count from the beginning")]

mod chance;
mod chaos;
mod hot;
mod queue;
mod rules;
mod worker;
mod world;

use chance::Chance;
use chaos::Action;
use world::{Provider, World};

/// Seeds per suite unless told otherwise.
const INTERLEAVINGS: u64 = 10_000;

/// What a suite dwells on.
#[derive(Debug)]
struct Suite {
    steps: u32,
    sessions: usize,
    workers: usize,
    /// How many of 100 things done outside go wrong.
    faults: usize,
    /// Whether there is a sweep. Without it nothing may be lost that only the sweep finds again.
    sweep: bool,
    concurrency: Option<u32>,
    /// What the provider says at first.
    provider: Provider,
    /// How often what happens, in proportion.
    mix: &'static [(Action, usize)],
}

const PLAIN: Suite = Suite {
    steps: 100,
    sessions: 1,
    workers: 2,
    faults: 8,
    sweep: true,
    concurrency: None,
    provider: Provider::Up,
    mix: &[(Action::Work, 70), (Action::Arrive, 8), (Action::Publish, 10), (Action::Tick, 8)],
};

/// What a simulation came to, without the steps left out.
fn simulate(suite: &'static Suite, seed: u64, steps: &[u32], traced: bool) -> World {
    let total: usize = suite.mix.iter().map(|(_, weight)| weight).sum();
    let mut world = World::of(suite, traced);
    for step in steps {
        world.step = step + 1;
        let mut chance = Chance::of(seed, *step);
        let mut at = chance.below(total);
        let action = suite.mix.iter().find_map(|(action, weight)| match at.checked_sub(*weight) {
            None => Some(*action),
            Some(rest) => {
                at = rest;
                None
            }
        });
        world.happen(action.unwrap_or(Action::Work), &mut chance);
        if world.violation.is_some() {
            return world;
        }
    }
    world.settle(&mut Chance::of(seed, u32::MAX));
    world
}

/// The steps without those that the same violation does not take.
fn cut_down(suite: &'static Suite, seed: u64, mut steps: Vec<u32>) -> Vec<u32> {
    let mut length = steps.len() / 2;
    while length > 0 {
        let mut begin = 0;
        while begin < steps.len() {
            let end = (begin + length).min(steps.len());
            let fewer: Vec<u32> = [&steps[..begin], &steps[end..]].concat();
            if simulate(suite, seed, &fewer, false).violation.is_some() {
                steps = fewer;
            } else {
                begin = end;
            }
        }
        length /= 2;
    }
    steps
}

#[expect(clippy::disallowed_methods, reason = "how much is simulated is up to whoever runs the tests")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn run(suite: &'static Suite) {
    let all: Vec<u32> = (0..suite.steps).collect();
    if let Some(seed) = variable("AFTERTHOUGHT_SEED") {
        let world = simulate(suite, seed, &all, true);
        println!("{}", world.trace.unwrap_or_default().join("\n"));
        assert_eq!(world.violation, None);
        return;
    }
    for seed in 0..variable("AFTERTHOUGHT_INTERLEAVINGS").unwrap_or(INTERLEAVINGS) {
        if simulate(suite, seed, &all, false).violation.is_some() {
            let steps = cut_down(suite, seed, all);
            let world = simulate(suite, seed, &steps, true);
            panic!(
                "AFTERTHOUGHT_SEED={seed}: {}\nin the steps {steps:?}:\n{}",
                world.violation.unwrap_or_default(),
                world.trace.unwrap_or_default().join("\n")
            );
        }
    }
}

#[test]
fn whatever_happens_every_event_is_thought_about_once_and_in_order() {
    static SUITE: Suite = Suite {
        steps: 200,
        sessions: 3,
        workers: 3,
        concurrency: Some(2),
        mix: &[
            (Action::Work, 120),
            (Action::Arrive, 8),
            (Action::ArrivePoison, 2),
            (Action::Publish, 14),
            (Action::Tick, 12),
            (Action::Jump, 3),
            (Action::Skew, 1),
            (Action::ForgetReader, 1),
            (Action::Sweep, 2),
            (Action::Purge, 1),
            (Action::Wipe, 1),
            (Action::Pause, 1),
            (Action::Resume, 2),
            (Action::Cancel, 1),
            (Action::Replay, 1),
            (Action::Redrive, 1),
            (Action::RedriveDeadLetter, 1),
            (Action::Provider, 2),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn without_the_sweep_a_wake_up_that_is_put_off_never_dies() {
    static SUITE: Suite = Suite {
        sweep: false,
        sessions: 2,
        workers: 3,
        faults: 12,
        mix: &[
            (Action::Work, 110),
            (Action::Arrive, 8),
            (Action::ArrivePoison, 2),
            (Action::Publish, 12),
            (Action::Tick, 10),
            (Action::Jump, 4),
            (Action::Skew, 1),
            (Action::Pause, 1),
            (Action::Resume, 2),
            (Action::Cancel, 1),
            (Action::Replay, 1),
            (Action::Redrive, 1),
            (Action::Provider, 3),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn a_debounced_agent_thinks_when_a_session_is_quiet_or_has_waited_long_enough() {
    static SUITE: Suite = Suite {
        faults: 4,
        mix: &[
            (Action::Work, 60),
            (Action::Arrive, 14),
            (Action::Publish, 20),
            (Action::Tick, 14),
            (Action::Jump, 1),
            (Action::Skew, 1),
            (Action::Sweep, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn an_agent_waits_for_another_until_it_is_there_or_the_time_is_up() {
    static SUITE: Suite = Suite {
        mix: &[
            (Action::Work, 70),
            (Action::Arrive, 6),
            (Action::ArrivePoison, 2),
            (Action::Publish, 12),
            (Action::Tick, 10),
            (Action::Jump, 2),
            (Action::Skew, 1),
            (Action::Replay, 2),
            (Action::Pause, 1),
            (Action::Resume, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn what_is_put_off_is_sent_again_before_it_is_acknowledged() {
    static SUITE: Suite = Suite {
        sweep: false,
        faults: 15,
        concurrency: Some(1),
        sessions: 2,
        mix: &[
            (Action::Work, 80),
            (Action::Arrive, 6),
            (Action::Publish, 10),
            (Action::Tick, 6),
            (Action::Jump, 4),
            (Action::Provider, 6),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn a_lease_keeps_others_out_and_outlives_nobody_for_long() {
    static SUITE: Suite = Suite {
        workers: 3,
        faults: 12,
        mix: &[
            (Action::Work, 90),
            (Action::Arrive, 6),
            (Action::Publish, 14),
            (Action::Tick, 6),
            (Action::Jump, 6),
            (Action::Skew, 2),
            (Action::Wipe, 1),
            (Action::Sweep, 2),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn never_more_sessions_of_a_tenant_are_thought_about_at_once_than_allowed() {
    static SUITE: Suite = Suite {
        workers: 4,
        sessions: 3,
        concurrency: Some(1),
        mix: &[
            (Action::Work, 100),
            (Action::Arrive, 10),
            (Action::Publish, 20),
            (Action::Tick, 6),
            (Action::Jump, 2),
            (Action::Sweep, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn what_was_paid_for_is_not_paid_for_again() {
    static SUITE: Suite = Suite {
        faults: 18,
        mix: &[
            (Action::Work, 90),
            (Action::Arrive, 6),
            (Action::ArrivePoison, 1),
            (Action::Publish, 10),
            (Action::Tick, 6),
            (Action::Jump, 3),
            (Action::Pause, 1),
            (Action::Resume, 2),
            (Action::Provider, 3),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn only_poison_is_set_aside_and_nothing_else_with_it() {
    static SUITE: Suite = Suite {
        faults: 5,
        mix: &[
            (Action::Work, 120),
            (Action::Arrive, 5),
            (Action::ArrivePoison, 4),
            (Action::Publish, 12),
            (Action::Tick, 6),
            (Action::Jump, 8),
            (Action::Provider, 3),
            (Action::Sweep, 2),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn an_outage_is_nobodys_fault_however_long_it_lasts() {
    static SUITE: Suite = Suite {
        steps: 300,
        faults: 6,
        provider: Provider::Down,
        mix: &[(Action::Work, 90), (Action::Arrive, 1), (Action::Publish, 4), (Action::Jump, 14)],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn what_was_set_aside_can_be_redriven_and_that_once() {
    static SUITE: Suite = Suite {
        mix: &[
            (Action::Work, 120),
            (Action::Arrive, 2),
            (Action::ArrivePoison, 6),
            (Action::Publish, 12),
            (Action::Tick, 6),
            (Action::Jump, 8),
            (Action::Redrive, 5),
            (Action::RedriveDeadLetter, 5),
            (Action::Replay, 1),
            (Action::Pause, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn what_is_held_is_left_alone_until_it_is_resumed_or_has_slept() {
    static SUITE: Suite = Suite {
        sessions: 3,
        mix: &[
            (Action::Work, 80),
            (Action::Arrive, 8),
            (Action::Publish, 16),
            (Action::Tick, 6),
            (Action::Jump, 4),
            (Action::Pause, 6),
            (Action::Resume, 5),
            (Action::Sweep, 3),
            (Action::Provider, 3),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn what_is_cancelled_is_passed_over_and_nothing_else_is() {
    static SUITE: Suite = Suite {
        mix: &[
            (Action::Work, 80),
            (Action::Arrive, 10),
            (Action::Publish, 16),
            (Action::Tick, 6),
            (Action::Jump, 2),
            (Action::Cancel, 8),
            (Action::Replay, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn what_is_replayed_is_thought_about_again_from_there_to_the_head() {
    static SUITE: Suite = Suite {
        mix: &[
            (Action::Work, 80),
            (Action::Arrive, 8),
            (Action::ArrivePoison, 1),
            (Action::Publish, 14),
            (Action::Tick, 6),
            (Action::Jump, 2),
            (Action::Replay, 8),
            (Action::Redrive, 1),
            (Action::Cancel, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}

#[test]
fn the_sweep_finds_whatever_was_lost() {
    static SUITE: Suite = Suite {
        sessions: 2,
        mix: &[
            (Action::Work, 70),
            (Action::Arrive, 10),
            (Action::Publish, 8),
            (Action::Tick, 6),
            (Action::Jump, 4),
            (Action::ForgetReader, 4),
            (Action::Purge, 4),
            (Action::Wipe, 2),
            (Action::Sweep, 6),
            (Action::Pause, 1),
        ],
        ..PLAIN
    };
    run(&SUITE);
}
