use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;
use crate::model::{Call, Dice, Table, Turn, interleavings, send};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const BEGAN: i64 = 1_800_000_000_000;

fn wanted(holder: u128, after: i64, through: i64, now: i64) -> Wanted {
    Wanted {
        agent: "summarizer".to_owned(),
        session: SessionId(Uuid::nil()),
        holder: Uuid::from_u128(holder),
        after,
        through,
        ends_at: now + 2 * MINUTE,
        now,
    }
}

fn call(wanted: &Wanted, renews: bool) -> Call<Acquire> {
    Call::new(Acquire { wanted: wanted.clone(), renews, rounds: 0 })
}

fn acquire(holder: u128, after: i64, through: i64, now: i64) -> Call<Acquire> {
    call(&wanted(holder, after, through, now), false)
}

fn taken(leased: Leased) -> Lease {
    let Leased::Taken(lease) = leased else { panic!("{leased:?}") };
    lease
}

#[test]
fn a_term_that_no_clock_could_have_begun_is_not_believed() {
    let mut table = Table::default();
    taken(acquire(1, 0, 5, BEGAN + DAY).finish(&mut table));
    let lease = taken(acquire(2, 0, 9, BEGAN).finish(&mut table));
    assert_eq!((lease.tries, lease.through), (2, 5));
}

#[test]
fn what_is_known_of_a_window_is_forgotten_after_a_day_although_the_item_is_still_there() {
    let mut table = Table::default();
    taken(acquire(1, 0, 5, BEGAN).finish(&mut table));
    let lease = taken(acquire(2, 0, 9, BEGAN + DAY).finish(&mut table));
    assert_eq!((lease.tries, lease.through), (2, 5));
    let lease = taken(acquire(3, 0, 7, BEGAN + 3 * DAY).finish(&mut table));
    assert_eq!((lease.tries, lease.through), (1, 7));
}

#[test]
fn an_item_that_cannot_be_read_is_taken_over() {
    let mut table = Table::default();
    taken(acquire(1, 0, 5, BEGAN).finish(&mut table));
    let key = Key::lease("summarizer", SessionId(Uuid::nil()));
    for name in ["holder", "ends_at", "after", "through", "tries", "expires_at"] {
        table.tamper(&key, |item| {
            item.insert("ends_at".to_owned(), number(0));
            item.insert(name.to_owned(), AttributeValue::Bool(true));
        });
        taken(acquire(2, 0, 5, BEGAN).finish(&mut table));
    }
}

#[test]
fn what_a_yielded_lease_says_is_what_the_next_try_finds() {
    let mut table = Table::default();
    let lease = taken(acquire(1, 0, 8, BEGAN).finish(&mut table));
    let yielded = Lease { tries: 0, through: 4, ..lease };
    table.apply(&yielded.yield_up());
    let lease = taken(acquire(1, 0, 8, BEGAN).finish(&mut table));
    assert_eq!((lease.tries, lease.through), (1, 4));
}

/// What a run is doing.
#[derive(Debug)]
enum Doing {
    Nothing,
    Asking(Call<Acquire>),
    Thinking(Lease),
    Returning(Write),
}

#[derive(Debug)]
struct Worker {
    /// How far its clock is off.
    skew: i64,
    wanted: Wanted,
    doing: Doing,
}

/// What became of the lease, told from who asked for it and when writes were carried out, and by nothing that the item
/// says of tries.
#[derive(Debug, Default)]
struct History {
    /// For which window it was taken last.
    after: Option<i64>,
    /// By whom, unless that run has given up since.
    holder: Option<Uuid>,
    ends_at: i64,
    expires_at: i64,
    /// The window's end at the first of the tries for it.
    through: i64,
    /// How many runs have taken it for this window.
    runs: u32,
    /// How many of those that knew of it did not finish.
    lost: u32,
}

impl History {
    /// Looks at what a write of `asked`, who wanted the lease, has made of the item.
    fn look(&mut self, before: Option<&Item>, item: Option<&Item>, asked: &Wanted) -> TestCaseResult {
        if before == item {
            return Ok(());
        }
        let left = self.ends_at - asked.now;
        let other_runs = self.holder.is_some_and(|holder| holder != asked.holder)
            && 0 < left
            && left <= LONGEST_TERM_MILLISECONDS;
        prop_assert!(!other_runs, "{asked:?} took it, but {self:?}");
        let goes_on = self.after == Some(asked.after) && self.expires_at > asked.now / 1000;
        if !goes_on {
            *self = Self { after: Some(asked.after), through: asked.through, ..Self::default() };
        }
        self.runs += u32::from(self.holder != Some(asked.holder));
        self.holder = Some(asked.holder);
        self.ends_at = asked.ends_at;
        self.expires_at = asked.ends_at / 1000 + 1 + DAY / 1000;
        Ok(())
    }

    /// Looks at what `holder` has made of the item by giving its lease back.
    fn look_back(&mut self, before: Option<&Item>, item: Option<&Item>, holder: Uuid) -> TestCaseResult {
        if before == item {
            return Ok(());
        }
        prop_assert_eq!(self.holder, Some(holder), "it is not its own");
        match item {
            None => *self = Self::default(),
            Some(_) => self.holder = None,
        }
        Ok(())
    }

    /// A run that had the lease is gone without having finished.
    fn lose(&mut self, worker: &Worker) {
        let counts = self.after == Some(worker.wanted.after) && self.holder == Some(worker.wanted.holder);
        self.lost += u32::from(counts);
    }
}

fn one_interleaving(script: &mut dyn Iterator<Item = Dice>) -> TestCaseResult {
    let mut table = Table::default();
    let key = Key::lease("summarizer", SessionId(Uuid::nil()));
    let (mut cursor, mut now, mut holders) = (0_i64, BEGAN, 0_u128);
    let mut history = History::default();
    let mut workers: Vec<Worker> =
        (0..3).map(|_| Worker { skew: 0, wanted: wanted(0, 0, 1, now), doing: Doing::Nothing }).collect();
    for mut dice in script {
        now += dice.one_of([0, 1, 1000, 10_000, MINUTE]);
        match dice.roll(40) {
            0 => now += 3 * MINUTE,
            1 => now += 2 * DAY,
            2 => table.delete_expired(now / 1000),
            // Whoever holds it goes on and nobody knows of it; the commit lets one win.
            3 => table.lose_everything(),
            4 => {
                let skew = dice.one_of([0, 1000, -1000, 5 * MINUTE, -5 * MINUTE, DAY, -DAY]);
                workers[dice.roll(3) as usize].skew = skew;
            }
            _ => {}
        }
        if table.get(&key).is_none() {
            history = History::default();
        }
        let before = table.get(&key).cloned();
        let index = dice.roll(3) as usize;
        let (fate, choice) = (dice.fate(), dice.roll(6));
        let worker = &mut workers[index];
        let its_now = now + worker.skew;
        match std::mem::replace(&mut worker.doing, Doing::Nothing) {
            Doing::Nothing => {
                holders += 1;
                worker.wanted = wanted(holders, cursor, cursor + 1 + i64::from(choice), its_now);
                worker.doing = Doing::Asking(call(&worker.wanted, false));
            }
            Doing::Asking(mut call) => {
                let turn = call.turn(&mut table, fate);
                history.look(before.as_ref(), table.get(&key), &worker.wanted)?;
                match turn {
                    Turn::GoesOn => worker.doing = Doing::Asking(call),
                    // It asks again, or leaves it to the next delivery.
                    Turn::Failed if choice % 2 == 0 => {
                        let Wanted { after, through, .. } = worker.wanted;
                        worker.wanted = wanted(worker.wanted.holder.as_u128(), after, through, its_now);
                        worker.doing = Doing::Asking(self::call(&worker.wanted, choice == 0));
                    }
                    Turn::Failed | Turn::Died => {}
                    Turn::Done(Leased::Held { until }) => {
                        prop_assert!(until.as_millisecond() > worker.wanted.now);
                    }
                    Turn::Done(Leased::Taken(lease)) => {
                        prop_assert_eq!(lease.tries, history.runs, "{:?}", worker);
                        prop_assert!(lease.tries > history.lost, "{:?}", history);
                        prop_assert_eq!(lease.through, history.through);
                        worker.doing = Doing::Thinking(lease);
                        prop_assert_eq!(history.holder, Some(worker.wanted.holder));
                    }
                }
            }
            Doing::Thinking(lease) => {
                let wins = cursor == worker.wanted.after;
                if wins && choice > 1 {
                    cursor = lease.through;
                }
                match choice {
                    // It dies, before the commit or after it.
                    0 | 2 => history.lose(worker),
                    1 => {
                        history.lose(worker);
                        worker.doing = Doing::Returning(lease.yield_up());
                    }
                    3 if wins => {
                        worker.wanted = wanted(worker.wanted.holder.as_u128(), cursor, cursor + 3, its_now);
                        worker.doing = Doing::Asking(call(&worker.wanted, true));
                    }
                    _ => worker.doing = Doing::Returning(lease.release()),
                }
            }
            Doing::Returning(write) => {
                let _whatever_came_of_it = send(&mut table, &write, fate);
                history.look_back(before.as_ref(), table.get(&key), worker.wanted.holder)?;
            }
        }
    }
    let late = wanted(0, cursor, cursor + 1, now + 10 * DAY);
    prop_assert!(matches!(call(&late, false).finish(&mut table), Leased::Taken(_)));
    Ok(())
}

#[test]
fn one_run_at_a_time_and_no_lost_one_uncounted_whatever_happens() {
    interleavings(one_interleaving);
}
