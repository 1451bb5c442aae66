use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;
use crate::model::{Call, Dice, Fate, Table, Turn, interleavings, send};

const LIMIT: u64 = 1000;

fn key() -> Key {
    Key::budget(&TenantId::new("acme").unwrap(), day())
}

const fn day() -> Date {
    jiff::civil::date(2027, 1, 15)
}

fn reserve(estimate: u64, seed: Option<u64>) -> Call<Reserve> {
    Call::new(Reserve::new(key(), day(), estimate, LIMIT, seed))
}

#[test]
fn a_day_lives_for_two() {
    assert_eq!(two_days_after(day()), "2027-01-17T00:00:00Z".parse::<Timestamp>().unwrap().as_second());
    assert!(two_days_after(Date::MAX) > 0);
}

#[test]
fn a_number_that_cannot_be_read_is_unknown_and_seeded_anew() {
    let mut table = Table::default();
    assert_eq!(reserve(10, Some(0)).finish(&mut table), Reserved::Yes);
    table.tamper(&key(), |item| {
        item.insert(SPENT.to_owned(), aws_sdk_dynamodb::types::AttributeValue::Bool(true));
    });
    assert_eq!(reserve(10, None).finish(&mut table), Reserved::Unknown);
    assert_eq!(reserve(10, Some(985)).finish(&mut table), Reserved::Yes);
    assert_eq!(reserve(10, None).finish(&mut table), Reserved::Exhausted);
}

#[test]
fn what_postgres_knows_is_kept_although_nothing_is_left() {
    let mut table = Table::default();
    assert_eq!(reserve(10, Some(995)).finish(&mut table), Reserved::Exhausted);
    assert_eq!(reserve(5, None).finish(&mut table), Reserved::Yes);
    assert_eq!(reserve(u64::MAX, None).finish(&mut table), Reserved::Exhausted);
    assert_eq!(reserve(u64::MAX, Some(u64::MAX)).finish(&mut table), Reserved::Exhausted);
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Reserving { call: Call<Reserve>, estimate: u64, seeded: bool },
    Asking { estimate: u64 },
    Settling { write: Option<Write>, estimate: u64, actual: u64 },
    Committing { actual: u64 },
}

fn one_interleaving(script: &mut dyn Iterator<Item = Dice>) -> TestCaseResult {
    let mut table = Table::default();
    // What the runs recorded in Postgres; what was granted or spent and nobody recorded; what the limit may be exceeded
    // by, because it was in nobody's memory when the table was lost.
    let (mut recorded, mut in_flight, mut unknown) = (0_u64, 0_u64, 0_u64);
    let mut workers: Vec<Doing> = (0..3).map(|_| Doing::Nothing).collect();
    for mut dice in script {
        let seeding = |doing: &Doing| matches!(doing, Doing::Reserving { seeded: true, .. });
        if dice.roll(30) == 0 && !workers.iter().any(seeding) {
            table.lose_everything();
            unknown += 2 * in_flight;
        }
        let index = dice.roll(3) as usize;
        let (fate, choice) = (dice.fate(), dice.roll(8));
        let doing = &mut workers[index];
        *doing = match std::mem::replace(doing, Doing::Nothing) {
            Doing::Nothing => {
                let estimate = [10, 100, 300, 400, 500, 1000, 1001, 0][choice as usize];
                Doing::Reserving { call: reserve(estimate, None), estimate, seeded: false }
            }
            Doing::Reserving { mut call, estimate, seeded } => match call.turn(&mut table, fate) {
                Turn::GoesOn => Doing::Reserving { call, estimate, seeded },
                Turn::Done(Reserved::Yes) => {
                    in_flight += estimate;
                    prop_assert!(
                        recorded + in_flight <= LIMIT + unknown,
                        "{recorded} + {in_flight} of {LIMIT}, {unknown} unknown"
                    );
                    Doing::Asking { estimate }
                }
                Turn::Done(Reserved::Unknown) => {
                    prop_assert!(!seeded, "nobody is in the way");
                    Doing::Reserving { call: reserve(estimate, Some(recorded)), estimate, seeded: true }
                }
                Turn::Done(Reserved::Exhausted) => {
                    let spent: i128 = table.get(&key()).and_then(spent).unwrap_or(0);
                    prop_assert!(estimate > LIMIT || spent + i128::from(estimate) > 0);
                    Doing::Nothing
                }
                Turn::Failed | Turn::Died => Doing::Nothing,
            },
            // The call to the model came to less than was thought, or it failed.
            Doing::Asking { estimate } => {
                let actual = estimate * u64::from(choice) / 8;
                Doing::Settling { write: settle(key(), estimate, actual), estimate, actual }
            }
            Doing::Settling { write, estimate, actual } => {
                if let Some(write) = &write {
                    let _whatever_came_of_it = send(&mut table, write, fate);
                }
                in_flight = in_flight - estimate + actual;
                Doing::Committing { actual }
            }
            Doing::Committing { actual } => {
                in_flight -= actual;
                recorded += actual;
                Doing::Nothing
            }
        };
    }
    Ok(())
}

#[test]
fn no_more_than_the_limit_is_granted_whatever_happens() {
    interleavings(one_interleaving);
}

#[test]
fn what_is_given_back_is_sent_once() {
    let mut table = Table::default();
    reserve(900, Some(0)).finish(&mut table);
    let write = settle(key(), 900, 100).unwrap();
    assert!(matches!(send(&mut table, &write, Fate::SentAgain), Turn::Failed));
    assert_eq!(reserve(900, None).finish(&mut table), Reserved::Yes);
    assert_eq!(reserve(1, None).finish(&mut table), Reserved::Exhausted);
}
