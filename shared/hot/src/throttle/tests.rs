use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;
use crate::model::{Call, Dice, Fate, Table, Turn, interleavings};
use crate::rate::CLOCK_WINDOW;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const BEGAN: i64 = 1_800_000_000 * SECOND;

fn key() -> Key {
    Key::throttle("provider", &TenantId::new("acme").unwrap())
}

fn at(nanosecond: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanosecond)).unwrap()
}

fn admit(rate: Rate, now: i64, seen: Option<AttributeValue>) -> Call<Admit> {
    Call::new(Admit::new(key(), rate, at(now), seen))
}

#[test]
fn what_was_seen_last_makes_one_write_of_it_and_none_of_a_no() {
    let mut table = Table::default();
    let rate = Rate { per_minute: 60, burst: 2 };
    let (yes, seen) = admit(rate, BEGAN, None).finish(&mut table);
    assert_eq!(yes, Admitted::Yes);
    let mut second = admit(rate, BEGAN, seen.clone());
    let Turn::Done((yes, fresh)) = second.turn(&mut table, Fate::Answered) else { panic!("one write") };
    assert_eq!(yes, Admitted::Yes);
    let no = Admitted::Later { at: at(BEGAN + SECOND) };
    assert_eq!(admit(rate, BEGAN, fresh).finish(&mut Table::default()).0, no, "no write at all");
    assert_eq!(admit(rate, BEGAN, seen).finish(&mut table).0, no, "what was seen is outdated");
}

#[test]
fn what_is_given_back_is_admitted_again_and_no_more_than_that() {
    let mut table = Table::default();
    let rate = Rate { per_minute: 60, burst: 3 };
    let two = NonZeroU32::new(2).unwrap();
    assert!(matches!(table.apply(&giving_back(key(), rate, two)), Answer::Refused(None)));
    let admit_two = |table: &mut Table| {
        let both = Admit { count: two, ..Admit::new(key(), rate, at(BEGAN), None) };
        Call::new(both).finish(table).0
    };
    assert_eq!(admit_two(&mut table), Admitted::Yes);
    assert_ne!(admit_two(&mut table), Admitted::Yes);
    table.apply(&giving_back(key(), rate, two));
    assert_eq!(admit_two(&mut table), Admitted::Yes);
    assert_eq!(admit(rate, BEGAN, None).finish(&mut table).0, Admitted::Yes);
    assert_ne!(admit(rate, BEGAN, None).finish(&mut table).0, Admitted::Yes);
}

#[test]
fn an_item_that_cannot_be_read_is_replaced() {
    let rate = Rate { per_minute: 60, burst: 1 };
    for broken in [Some(AttributeValue::Bool(true)), Some(number(-5)), None] {
        let mut table = Table::default();
        admit(rate, BEGAN, None).finish(&mut table);
        table.tamper(&key(), |item| {
            item.remove(TIME);
            item.extend(broken.map(|broken| (TIME.to_owned(), broken)));
        });
        assert_eq!(admit(rate, BEGAN, None).finish(&mut table).0, Admitted::Yes);
        assert_ne!(admit(rate, BEGAN, None).finish(&mut table).0, Admitted::Yes);
    }
}

#[derive(Debug)]
struct Worker {
    skew: i64,
    now: i64,
    seen: Option<AttributeValue>,
    call: Option<Call<Admit>>,
}

/// Whether the clocks of an interleaving agree to within half of what counts as right, or jump at will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Agree,
    Jump,
}

fn one_interleaving(script: &mut dyn Iterator<Item = Dice>) -> TestCaseResult {
    let Some(mut dice) = script.next() else { return Ok(()) };
    let rate = Rate { per_minute: dice.one_of([60, 7, 600, 1]), burst: dice.one_of([3, 1, 2, 8]) };
    let clocks = dice.one_of([Clocks::Agree, Clocks::Jump]);
    let interval = i64::try_from(rate.interval()).unwrap();
    let mut table = Table::default();
    let mut now = BEGAN;
    // Whatever was admitted under one account of the past, by the clock of whoever asked.
    let mut admitted: Vec<Vec<i64>> = vec![Vec::new()];
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker { skew: 0, now, seen: None, call: None }).collect();
    for mut dice in script {
        now += dice.one_of([0, 0, 1, interval / 2, interval, interval + 1]);
        match dice.roll(24) {
            0 => now += 10 * MINUTE,
            1 if clocks == Clocks::Agree => table.delete_expired(now / SECOND),
            2 if clocks == Clocks::Jump => {
                table.lose_everything();
                admitted.push(Vec::new());
            }
            3 | 4 => {
                workers[dice.roll(3) as usize].skew = match clocks {
                    Clocks::Agree => dice.one_of([0, SECOND, -SECOND, 25 * SECOND, -25 * SECOND]),
                    Clocks::Jump => dice.one_of([0, MINUTE, -10 * MINUTE, 10 * MINUTE, 100_000 * MINUTE]),
                };
            }
            _ => {}
        }
        let worker = &mut workers[dice.roll(3) as usize];
        let Some(call) = &mut worker.call else {
            worker.now = now + worker.skew;
            worker.call = Some(admit(rate, worker.now, worker.seen.clone()));
            continue;
        };
        if clocks == Clocks::Agree && now + worker.skew - worker.now > 10 * SECOND {
            // What takes longer is given up: its account of the time is outdated.
            worker.call = None;
            continue;
        }
        let before: Option<i64> = table.get(&key()).and_then(|item| read_number(item, TIME));
        let turn = call.turn(&mut table, dice.fate());
        let after: Option<i64> = table.get(&key()).and_then(|item| read_number(item, TIME));
        if after < before {
            prop_assert_eq!(clocks, Clocks::Jump, "nothing was to be mended");
            prop_assert!(
                !matches!(turn, Turn::Done((Admitted::Yes, _))),
                "who mends it is not admitted by that"
            );
            admitted.push(Vec::new());
        }
        match turn {
            Turn::GoesOn => continue,
            Turn::Failed => {}
            Turn::Died => worker.seen = None,
            Turn::Done((answer, seen)) => {
                worker.seen = seen;
                match answer {
                    Admitted::Yes => admitted.last_mut().unwrap().push(worker.now),
                    Admitted::Later { at } => prop_assert!(at.as_nanosecond() > i128::from(worker.now)),
                }
            }
        }
        worker.call = None;
    }
    for stamps in &admitted {
        for (first, _) in stamps.iter().enumerate() {
            let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
            for (count, stamp) in (1_i64..).zip(&stamps[first..]) {
                (earliest, latest) = (earliest.min(*stamp), latest.max(*stamp));
                let most = rate.burst() + (latest - earliest) / interval;
                prop_assert!(count <= most, "{count} of at most {most} from the {first}th of {stamps:?}");
            }
        }
    }
    // However wrong the clocks were: whoever comes with the right one waits for little more than a minute.
    let (answer, _) = admit(rate, now, None).finish(&mut table);
    if let Admitted::Later { at: again } = answer {
        let again = i64::try_from(again.as_nanosecond()).unwrap();
        prop_assert!(again - now <= interval + i64::try_from(CLOCK_WINDOW).unwrap());
        prop_assert_eq!(admit(rate, again, None).finish(&mut table).0, Admitted::Yes);
    }
    Ok(())
}

#[test]
fn no_more_than_the_burst_and_the_rate_whatever_happens() {
    interleavings(one_interleaving);
}

#[test]
fn a_process_forgets_rather_than_grow_without_end() {
    let seen = Seen::default();
    for tenant in 0..=MOST_REMEMBERED {
        let key = Key::throttle("provider", &TenantId::new(tenant.to_string()).unwrap());
        seen.remember(key.clone(), Some(number(1)));
        assert_eq!(seen.recall(&key), Some(number(1)));
    }
    assert!(seen.0.lock().unwrap().len() < MOST_REMEMBERED);
}
