use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;
use crate::model::{Call, Dice, Table, Turn, interleavings, send};

const MINUTE: i64 = 60_000;
const TERM: i64 = 2 * MINUTE;
const BEGAN: i64 = 1_800_000_000_000;

fn slot(holder: u128) -> Slot {
    Slot {
        agent: "summarizer".to_owned(),
        tenant: TenantId::new("acme").unwrap(),
        holder: Uuid::from_u128(holder),
    }
}

fn occupy(holder: u128, limit: u32, now: i64) -> Box<Call<Occupy>> {
    let slot = slot(holder);
    Box::new(Call::new(Occupy {
        key: Key::slots(&slot.agent, &slot.tenant),
        limit,
        holder: slot.holder.to_string(),
        ends_at: now + TERM,
        now,
        rounds: 0,
        clears: false,
    }))
}

#[test]
fn as_many_as_the_limit_get_one_and_a_repeated_wish_takes_no_second() {
    let mut table = Table::default();
    for holder in [1, 2, 1, 2] {
        assert!(occupy(holder, 2, BEGAN).finish(&mut table));
    }
    assert!(!occupy(3, 2, BEGAN).finish(&mut table));
    assert!(!occupy(3, 0, BEGAN).finish(&mut table));
    table.apply(&slot(1).leave());
    assert!(occupy(3, 2, BEGAN).finish(&mut table));
}

#[test]
fn the_slots_of_many_dead_are_cleared_in_one_go() {
    let mut table = Table::default();
    for holder in 0..9 {
        assert!(occupy(holder, 9, BEGAN).finish(&mut table));
    }
    assert!(!occupy(10, 1, BEGAN + TERM - 1).finish(&mut table));
    assert!(occupy(10, 1, BEGAN + TERM).finish(&mut table));
    assert!(!occupy(11, 1, BEGAN + TERM).finish(&mut table));
}

#[test]
fn a_list_that_cannot_be_read_is_begun_anew() {
    let mut table = Table::default();
    assert!(occupy(1, 1, BEGAN).finish(&mut table));
    table.tamper(&Key::slots("summarizer", &TenantId::new("acme").unwrap()), |item| {
        item.insert(HOLDERS.to_owned(), AttributeValue::Bool(true));
    });
    assert!(occupy(2, 1, BEGAN).finish(&mut table));
    assert!(!occupy(3, 1, BEGAN).finish(&mut table));
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Asking { call: Box<Call<Occupy>>, holder: u128, limit: u32, now: i64 },
    Thinking { holder: u128 },
    Leaving { holder: u128 },
}

/// When the term of a holder ends according to the item.
fn listed(item: Option<&Item>, holder: u128) -> Option<i64> {
    let holders = item?.get(HOLDERS)?.as_m().ok()?;
    of_number(holders.get(&Uuid::from_u128(holder).to_string())?)
}

fn one_interleaving(script: &mut dyn Iterator<Item = Dice>) -> TestCaseResult {
    let Some(mut dice) = script.next() else { return Ok(()) };
    let most = dice.one_of([1, 2, 3]);
    let mut table = Table::default();
    let key = Key::slots("summarizer", &TenantId::new("acme").unwrap());
    let (mut now, mut holders) = (BEGAN, 0_u128);
    // Whoever was granted a slot and did not give it back, dead or alive, and when the term ends.
    let mut terms: HashMap<u128, i64> = HashMap::new();
    // The same, whether or not others believe it.
    let mut granted: HashMap<u128, i64> = HashMap::new();
    let mut workers: Vec<(i64, Doing)> = (0..4).map(|_| (0, Doing::Nothing)).collect();
    for mut dice in script {
        now += dice.one_of([0, 0, 1, 1000, 30_000]);
        match dice.roll(30) {
            0 => now += TERM,
            1 => {
                now += 2 * 24 * 60 * MINUTE;
                // No request takes days.
                for (_, doing) in &mut workers {
                    if matches!(doing, Doing::Asking { .. }) {
                        *doing = Doing::Nothing;
                    }
                }
            }
            2 => table.delete_expired(now / 1000),
            3 => {
                table.lose_everything();
                terms.clear();
                granted.clear();
            }
            4 | 5 => {
                let skew = dice.one_of([0, 1000, -1000, 5 * MINUTE, -5 * MINUTE, 60 * MINUTE, -60 * MINUTE]);
                workers[dice.roll(4) as usize].0 = skew;
            }
            _ => {}
        }
        let (skew, doing) = &mut workers[dice.roll(4) as usize];
        let its_now = now + *skew;
        let (fate, choice) = (dice.fate(), dice.roll(4));
        let limit = most + [0, 0, 0, 4][choice as usize];
        let before = table.get(&key).cloned();
        if before.is_none() {
            terms.retain(|_, end| now < *end);
        }
        match std::mem::replace(doing, Doing::Nothing) {
            Doing::Nothing => {
                holders += 1;
                *doing = Doing::Asking {
                    call: occupy(holders, limit, its_now),
                    holder: holders,
                    limit,
                    now: its_now,
                };
            }
            Doing::Asking { mut call, holder, limit, now: asked } => {
                let turn = call.turn(&mut table, fate);
                let after = table.get(&key);
                if after != before.as_ref() {
                    let runs = |end: i64| asked < end && end <= asked + LONGEST_TERM_MILLISECONDS;
                    let is_its_own = terms.get(&holder).is_some_and(|end| runs(*end));
                    let others = terms.iter().filter(|(other, end)| **other != holder && runs(**end)).count();
                    let is_granted = listed(after, holder) == Some(asked + TERM);
                    prop_assert!(
                        !is_granted || is_its_own || others < limit as usize,
                        "{holder} beside {others} of {limit} at {asked}: {terms:?}"
                    );
                    for (other, end) in &terms {
                        prop_assert!(
                            !runs(*end) || listed(after, *other).is_some(),
                            "{holder} ended that of {other}"
                        );
                    }
                    terms.retain(|other, _| listed(after, *other).is_some());
                    if is_granted {
                        terms.insert(holder, asked + TERM);
                        granted.insert(holder, asked + TERM);
                    }
                }
                match turn {
                    Turn::GoesOn => *doing = Doing::Asking { call, holder, limit, now: asked },
                    Turn::Failed if choice % 2 == 0 => {
                        let call = occupy(holder, limit, its_now);
                        *doing = Doing::Asking { call, holder, limit, now: its_now };
                    }
                    Turn::Failed | Turn::Died => {}
                    Turn::Done(false) => {
                        let live = granted.values().filter(|end| asked < **end).count();
                        prop_assert!(live >= limit as usize, "{live} of {limit} are taken");
                    }
                    Turn::Done(true) => {
                        prop_assert!(listed(table.get(&key), holder).is_some());
                        *doing = Doing::Thinking { holder };
                    }
                }
            }
            Doing::Thinking { .. } if choice == 0 => {}
            Doing::Thinking { holder } if choice == 1 => {
                let call = occupy(holder, most, its_now);
                *doing = Doing::Asking { call, holder, limit: most, now: its_now };
            }
            Doing::Thinking { holder } => *doing = Doing::Leaving { holder },
            Doing::Leaving { holder } => {
                let _whatever_came_of_it = send(&mut table, &slot(holder).leave(), fate);
                if table.get(&key) != before.as_ref() {
                    terms.remove(&holder);
                    granted.remove(&holder);
                }
            }
        }
    }
    // Nothing is lost for good: later, all of them are free again, and no more than all.
    let late = now + 100 * MINUTE;
    for holder in 0..u128::from(most) {
        prop_assert!(occupy(1_000_000 + holder, most, late).finish(&mut table));
    }
    prop_assert!(!occupy(2_000_000, most, late).finish(&mut table));
    Ok(())
}

#[test]
fn no_more_than_the_limit_at_once_whatever_happens() {
    interleavings(one_interleaving);
}
