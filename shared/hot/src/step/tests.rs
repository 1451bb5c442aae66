use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use uuid::Uuid;

use super::*;
use crate::model::{Call, Dice, Table, Turn, interleavings};

const BEGAN: i64 = 1_800_000_000;
const HOUR: i64 = 3600;

fn step(name: &str) -> StepKey<'_> {
    StepKey { agent: "a#b", session: SessionId(Uuid::nil()), after: 3, through: 9, name, question: [7; 32] }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn keep(result: &[u8], now: i64) -> Call<Keep<'_>> {
    Call::new(Keep::new(&step("summarise"), result, at(now), now + HOUR))
}

fn found(table: &Table, now: i64) -> Read<Vec<u8>> {
    read(&[7; 32], table.get(&Key::step(&step("summarise"))), now)
}

#[test]
fn a_result_is_told_apart_by_everything_that_it_depends_on() {
    let one = step("x");
    let others = [
        StepKey { agent: "a", ..one.clone() },
        StepKey { session: SessionId(Uuid::max()), ..one.clone() },
        StepKey { after: 4, ..one.clone() },
        StepKey { through: 10, ..one.clone() },
        StepKey { name: "x#y", ..one.clone() },
        StepKey { question: [8; 32], ..one.clone() },
    ];
    for other in others {
        assert_ne!(Key::step(&one), Key::step(&other));
    }
}

#[test]
fn a_result_of_another_question_is_corrupt() {
    let mut table = Table::default();
    keep(b"yes", BEGAN).finish(&mut table);
    let item = table.get(&Key::step(&step("summarise")));
    assert!(matches!(read(&[8; 32], item, BEGAN), Read::Corrupt { .. }));
}

#[test]
fn a_result_is_kept_for_an_hour_although_the_item_is_still_there() {
    let mut table = Table::default();
    assert_eq!(keep(b"one", BEGAN).finish(&mut table), Put::Stored);
    assert_eq!(found(&table, BEGAN + HOUR - 1), Read::Present(b"one".to_vec()));
    assert_eq!(found(&table, BEGAN + HOUR), Read::Absent);
    assert_eq!(keep(b"two", BEGAN + HOUR - 1).finish(&mut table), Put::Outdated);
    assert_eq!(keep(b"two", BEGAN + HOUR).finish(&mut table), Put::Stored);
    assert_eq!(found(&table, BEGAN + HOUR), Read::Present(b"two".to_vec()));
}

/// What is stored, told from the writes that were carried out.
#[derive(Debug, Default)]
struct Stored {
    result: Vec<u8>,
    expires_at: i64,
    is_corrupt: bool,
}

/// Its clock, when it asked, and what it wants to keep.
struct Worker<'a> {
    skew: i64,
    now: i64,
    call: Option<(Call<Keep<'a>>, &'a [u8])>,
}

fn tamper(item: &mut Item, how: u32) {
    let flipped = |value: Option<&AttributeValue>| {
        let mut bytes =
            value.and_then(|value| value.as_b().ok()).cloned().unwrap_or(Blob::new([0])).into_inner();
        for byte in &mut bytes {
            *byte ^= 1;
        }
        blob(&bytes)
    };
    let (name, value) = match how {
        0 => ("result", flipped(item.get("result"))),
        1 => ("digest", flipped(item.get("digest"))),
        2 => ("result", number(1)),
        _ => ("expires_at", AttributeValue::Bool(true)),
    };
    item.insert(name.to_owned(), value);
}

fn one_interleaving(script: &mut dyn Iterator<Item = Dice>) -> TestCaseResult {
    let key = Key::step(&step("summarise"));
    let results: Vec<[u8; 2]> = (0..=u8::MAX).map(|number| [number, 1]).collect();
    let mut answers = results.iter();
    let mut table = Table::default();
    let mut now = BEGAN;
    let mut stored: Option<Stored> = None;
    let mut workers: Vec<Worker<'_>> = (0..3).map(|_| Worker { skew: 0, now, call: None }).collect();
    for mut dice in script {
        now += dice.one_of([0, 0, 1, 60]);
        match dice.roll(24) {
            0 => now += HOUR,
            1 => table.delete_expired(now),
            2 => table.lose_everything(),
            3 | 4 => {
                let how = dice.roll(4);
                table.tamper(&key, |item| tamper(item, how));
                if let Some(stored) = &mut stored {
                    // Two changes may undo each other; then it is as it was.
                    stored.is_corrupt = table.get(&key).is_some_and(|item| {
                        item.get("result") != Some(&blob(&stored.result))
                            || item.get("digest") != Some(&blob(&digest(&[7; 32], &stored.result)))
                            || read_number(item, "expires_at") != Some(stored.expires_at)
                    });
                }
            }
            5 => workers[dice.roll(3) as usize].skew = dice.one_of([0, 60, -60, 2 * HOUR, -2 * HOUR]),
            _ => {}
        }
        if table.get(&key).is_none() {
            stored = None;
        }
        let Worker { skew, now: its_now, call } = &mut workers[dice.roll(3) as usize];
        let read_at = now + *skew;
        if dice.roll(3) == 0 {
            match (found(&table, read_at), &stored) {
                (Read::Present(result), Some(stored)) => {
                    prop_assert!(!stored.is_corrupt, "{:?} was returned", result);
                    prop_assert_eq!(&result, &stored.result);
                }
                (Read::Present(result), None) => prop_assert!(false, "{:?} from nowhere", result),
                (Read::Absent, Some(stored)) => {
                    prop_assert!(stored.expires_at <= read_at || stored.is_corrupt);
                }
                (Read::Absent, None) => {}
                (Read::Corrupt { .. }, stored) => {
                    prop_assert!(stored.as_ref().is_some_and(|stored| stored.is_corrupt));
                }
            }
        }
        let Some((running, result)) = call else {
            let Some(result) = answers.next() else { break };
            *its_now = read_at;
            *call = Some((keep(result, read_at), result));
            continue;
        };
        let before = table.get(&key).cloned();
        let turn = running.turn(&mut table, dice.fate());
        if table.get(&key) != before.as_ref() {
            let may_go =
                stored.as_ref().is_none_or(|stored| stored.is_corrupt || stored.expires_at <= *its_now);
            prop_assert!(may_go, "{:?} was replaced by {:?}", stored, result);
            stored = Some(Stored { result: result.to_vec(), expires_at: *its_now + HOUR, is_corrupt: false });
        }
        match turn {
            Turn::GoesOn => continue,
            Turn::Done(Put::Stored) => {
                prop_assert_eq!(stored.as_ref().map(|stored| stored.result.as_slice()), Some(*result));
            }
            Turn::Done(put) => {
                prop_assert_eq!(put, Put::Outdated);
                prop_assert!(matches!(found(&table, *its_now), Read::Present(_)));
            }
            Turn::Failed if dice.roll(2) == 0 => {
                *call = Some((keep(result, *its_now), result));
                continue;
            }
            Turn::Failed | Turn::Died => {}
        }
        *call = None;
    }
    let later = now + 10 * HOUR;
    prop_assert_eq!(keep(b"last", later).finish(&mut table), Put::Stored);
    prop_assert_eq!(found(&table, later), Read::Present(b"last".to_vec()));
    Ok(())
}

#[test]
fn the_first_result_stays_and_a_corrupt_one_is_never_returned_whatever_happens() {
    interleavings(one_interleaving);
}
