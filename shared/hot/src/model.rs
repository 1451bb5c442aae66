//! What the tests of the primitives share: a model of the table, and interleavings of several workers that use it.
//!
//! A worker goes through the very exchange that the runtime goes through, request by request. Between any two requests
//! others get their turn, and each request may fail in every way a request can ([`Fate`]).
//!
//! `AFTERTHOUGHT_INTERLEAVINGS` says how many interleavings each primitive is tried with, 10,000 when it is not set. A
//! failure prints its seed and the shortest script that still fails; `AFTERTHOUGHT_SEED` runs the same ones again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestError, TestRunner};

use crate::item::{Answer, Assignment, Change, Condition, Exchange, Item, Next, Path, Write, of_number};
use crate::key::Key;

/// How many turns the workers of an interleaving have at most.
const MOST_TURNS: usize = 50;

/// The items, as DynamoDB keeps them: a write is carried out as a whole, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<Key, Item>);

impl Table {
    pub(crate) fn get(&self, key: &Key) -> Option<&Item> {
        self.0.get(key)
    }

    /// What something other than a primitive does to an item.
    pub(crate) fn tamper(&mut self, key: &Key, with: impl FnOnce(&mut Item)) {
        if let Some(item) = self.0.get_mut(key) {
            with(item);
        }
    }

    /// The time to live: whatever has expired at this second may go.
    pub(crate) fn delete_expired(&mut self, second: i64) {
        self.0
            .retain(|_, item| item.get("expires_at").and_then(of_number::<i64>).is_none_or(|at| at > second));
    }

    pub(crate) fn lose_everything(&mut self) {
        self.0.clear();
    }

    pub(crate) fn apply(&mut self, write: &Write) -> Answer {
        let seen = self.0.get(&write.key);
        if !holds(&write.condition, seen) {
            return Answer::Refused(seen.cloned());
        }
        match &write.change {
            Change::Delete => {
                self.0.remove(&write.key);
                Answer::Applied(Item::new())
            }
            Change::Update(assignments) => {
                let item = self.0.entry(write.key.clone()).or_default();
                for assignment in assignments {
                    assign(item, assignment);
                }
                Answer::Applied(item.clone())
            }
        }
    }
}

fn find<'a>(item: &'a Item, path: &Path) -> Option<&'a AttributeValue> {
    match path {
        Path::Attribute(name) => item.get(*name),
        Path::Member(name, member) => item.get(*name)?.as_m().ok()?.get(member),
    }
}

fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    let value = |path: &Path| item.and_then(|item| find(item, path));
    let numbers = |path: &Path, with: &AttributeValue, compare: fn(&i128, &i128) -> bool| {
        let left = value(path).and_then(of_number::<i128>);
        left.zip(of_number::<i128>(with)).is_some_and(|(left, right)| compare(&left, &right))
    };
    match condition {
        Condition::NoItem => item.is_none(),
        Condition::Missing(path) => value(path).is_none(),
        Condition::Exists(path) => value(path).is_some(),
        Condition::Equal(path, with) => value(path) == Some(with),
        Condition::Differs(path, with) => value(path).is_some_and(|value| value != with),
        Condition::AtMost(path, with) => numbers(path, with, i128::le),
        Condition::Above(path, with) => numbers(path, with, i128::gt),
        Condition::Fewer(path, with) => {
            let size = value(path).and_then(|value| value.as_m().ok()).map(|map| map.len() as i128);
            size.zip(of_number::<i128>(with)).is_some_and(|(size, bound)| size < bound)
        }
        Condition::All(conditions) => conditions.iter().all(|condition| holds(condition, item)),
        Condition::Any(conditions) => conditions.iter().any(|condition| holds(condition, item)),
    }
}

/// Panics where DynamoDB would refuse the request.
fn assign(item: &mut Item, assignment: &Assignment) {
    match assignment {
        Assignment::Set(path, value) => set(item, path, value.clone()),
        Assignment::SetIfMissing(path, value) => {
            if find(item, path).is_none() {
                set(item, path, value.clone());
            }
        }
        Assignment::Add(path, value) => {
            let before = find(item, path).map_or(0, |value| of_number::<i128>(value).expect("a number"));
            let sum = before + of_number::<i128>(value).expect("a number");
            set(item, path, AttributeValue::N(sum.to_string()));
        }
        Assignment::Remove(Path::Attribute(name)) => {
            item.remove(*name);
        }
        Assignment::Remove(Path::Member(name, member)) => {
            map(item, name).remove(member);
        }
    }
}

fn set(item: &mut Item, path: &Path, value: AttributeValue) {
    match path {
        Path::Attribute(name) => item.insert((*name).to_owned(), value),
        Path::Member(name, member) => map(item, name).insert(member.clone(), value),
    };
}

fn map<'a>(item: &'a mut Item, name: &str) -> &'a mut Item {
    match item.get_mut(name) {
        Some(AttributeValue::M(map)) => map,
        other => panic!("{name} is {other:?}, not a map"),
    }
}

/// What becomes of a request and of the worker that sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Answered,
    /// It is carried out, the answer is lost, and the SDK sends it again.
    SentAgain,
    /// It never arrives, and the worker is told of an error.
    NeverArrived,
    /// It is carried out, the answer is lost, and the worker is told of an error.
    AnswerLost,
    /// The worker dies before it is sent.
    DiedBefore,
    /// The worker dies when it has been carried out.
    DiedAfter,
}

/// What a worker knows after its turn.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// There is more to do.
    GoesOn,
    Done(T),
    Failed,
    Died,
}

/// A call in the middle of its exchange.
#[derive(Debug)]
pub(crate) struct Call<E: Exchange> {
    exchange: E,
    next: Next<E::Outcome>,
}

impl<E: Exchange> Call<E>
where
    E::Outcome: Clone,
{
    pub(crate) fn new(mut exchange: E) -> Self {
        let next = exchange.next(None);
        Self { exchange, next }
    }

    /// One request, or none when the exchange needs none.
    pub(crate) fn turn(&mut self, table: &mut Table, fate: Fate) -> Turn<E::Outcome> {
        let write = match &self.next {
            Next::Done(outcome) => return Turn::Done(outcome.clone()),
            Next::Write(write) => write,
        };
        match send(table, write, fate) {
            Turn::Done(answer) => {
                self.next = self.exchange.next(Some(answer));
                match &self.next {
                    Next::Done(outcome) => Turn::Done(outcome.clone()),
                    Next::Write(_) => Turn::GoesOn,
                }
            }
            Turn::GoesOn => Turn::GoesOn,
            Turn::Failed => Turn::Failed,
            Turn::Died => Turn::Died,
        }
    }

    /// The rest of the exchange, with nobody in between.
    pub(crate) fn finish(mut self, table: &mut Table) -> E::Outcome {
        loop {
            if let Turn::Done(outcome) = self.turn(table, Fate::Answered) {
                return outcome;
            }
        }
    }
}

/// One request.
pub(crate) fn send(table: &mut Table, write: &Write, fate: Fate) -> Turn<Answer> {
    match fate {
        Fate::NeverArrived => return Turn::Failed,
        Fate::DiedBefore => return Turn::Died,
        _ => {}
    }
    let answer = table.apply(write);
    match fate {
        Fate::SentAgain if write.repeatable => Turn::Done(table.apply(write)),
        Fate::SentAgain | Fate::AnswerLost => Turn::Failed,
        Fate::DiedAfter => Turn::Died,
        _ => Turn::Done(answer),
    }
}

/// A number out of which a turn's choices are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(u32);

impl Dice {
    /// One of `n`, 0 first.
    pub(crate) const fn roll(&mut self, n: u32) -> u32 {
        let rolled = self.0 % n;
        self.0 /= n;
        rolled
    }

    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.roll(u32::try_from(N).unwrap()) as usize]
    }

    /// Half of all requests meet with something.
    pub(crate) fn fate(&mut self) -> Fate {
        self.one_of([
            Fate::Answered,
            Fate::Answered,
            Fate::Answered,
            Fate::Answered,
            Fate::Answered,
            Fate::SentAgain,
            Fate::NeverArrived,
            Fate::AnswerLost,
            Fate::DiedBefore,
            Fate::DiedAfter,
        ])
    }
}

/// Tries a primitive with many scripts of turns.
#[expect(clippy::disallowed_methods, reason = "how many interleavings, and which, is asked for from outside")]
pub(crate) fn interleavings(check: impl Fn(&mut dyn Iterator<Item = Dice>) -> TestCaseResult) {
    let variable = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let cases = variable("AFTERTHOUGHT_INTERLEAVINGS").unwrap_or(10_000);
    let seed = variable("AFTERTHOUGHT_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let mut runner = TestRunner::new(Config {
        cases: u32::try_from(cases).expect("fewer interleavings"),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    });
    let scripts = prop::collection::vec(any::<u32>(), 1..MOST_TURNS);
    let outcome = runner.run(&scripts, |script| check(&mut script.into_iter().map(Dice)));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, script)) => {
            panic!("{reason}\nscript: {script:?}\nto run it again: AFTERTHOUGHT_SEED={seed}")
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
