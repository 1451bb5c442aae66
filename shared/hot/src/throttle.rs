use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::TenantId;
use jiff::Timestamp;

use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Write, attribute, number, of_number,
    read_number,
};
use crate::key::Key;
use crate::rate::{Rate, Verdict, decide_many};
use crate::{Error, Hot};

/// Where the item holds its time.
const TIME: &str = "next_at_nanoseconds";
/// After how many lost races a request is put off.
const MOST_ROUNDS: u8 = 5;
/// For how long, in nanoseconds.
const CONTENDED: u64 = 250_000_000;
/// How many keys a process remembers. All are forgotten when there are more; each then costs a request again.
const MOST_REMEMBERED: usize = 10_000;
/// How long an item stays once it says no more than none at all, in seconds.
const KEPT_SECONDS: u64 = 60;

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// Now.
    Yes,
    /// Not yet.
    Later {
        /// When to ask again. It may still be too early then: others ask too.
        at: Timestamp,
    },
}

/// Whether requests may go, and what is left after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whether they may.
    pub admitted: Admitted,
    /// How many more would be admitted at once.
    pub left: u32,
    /// After what time that is a whole burst again, when none come.
    pub full_in: Duration,
}

/// What this process saw last under each key. It may be outdated, which the write finds out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<HashMap<Key, AttributeValue>>>);

impl Seen {
    fn recall(&self, key: &Key) -> Option<AttributeValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn remember(&self, key: Key, value: Option<AttributeValue>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_REMEMBERED {
            seen.clear();
        }
        match value {
            Some(value) => seen.insert(key, value),
            None => seen.remove(&key),
        };
    }
}

/// Asking for requests to be admitted together.
#[derive(Debug)]
struct Admit {
    key: Key,
    rate: Rate,
    count: NonZeroU32,
    now: u64,
    /// What is believed to be stored.
    seen: Option<AttributeValue>,
    /// What is the answer once the write is through.
    meant: Admitted,
    rounds: u8,
}

impl Admit {
    fn new(key: Key, rate: Rate, now: Timestamp, seen: Option<AttributeValue>) -> Self {
        let now = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        Self { key, rate, count: NonZeroU32::MIN, now, seen, meant: Admitted::Yes, rounds: 0 }
    }

    fn write(&self, stored: u64) -> Write {
        let missing = Condition::Missing(attribute(TIME));
        let condition = match &self.seen {
            None => missing,
            // No item says that a whole burst is admitted; what was seen says that or less.
            Some(seen) => Condition::Any(vec![missing, Condition::Equal(attribute(TIME), seen.clone())]),
        };
        let change = Change::Update(vec![
            Assignment::Set(attribute(TIME), number(stored)),
            Assignment::Set(attribute("expires_at"), number(stored / 1_000_000_000 + KEPT_SECONDS)),
        ]);
        Write::new(self.key.clone(), condition, change)
    }

    fn done(&self, item: &Item) -> Next<(Admitted, Option<AttributeValue>)> {
        Next::Done((self.meant, item.get(TIME).cloned()))
    }
}

impl Exchange for Admit {
    type Outcome = (Admitted, Option<AttributeValue>);

    fn next(&mut self, answer: Option<Answer>) -> Next<Self::Outcome> {
        match answer {
            Some(Answer::Applied(item)) => return self.done(&item),
            Some(Answer::Refused(item)) => {
                self.seen = item.and_then(|mut item| item.remove(TIME));
                self.rounds += 1;
            }
            None => {}
        }
        if self.rounds > MOST_ROUNDS {
            return Next::Done((later(self.now.saturating_add(CONTENDED)), self.seen.take()));
        }
        match decide_many(self.rate, self.count, self.seen.as_ref().and_then(of_number), self.now) {
            Verdict::Admitted { stored } => {
                self.meant = Admitted::Yes;
                Next::Write(self.write(stored))
            }
            Verdict::Refused { at, mended: None } => Next::Done((later(at), self.seen.take())),
            Verdict::Refused { at, mended: Some(stored) } => {
                self.meant = later(at);
                Next::Write(self.write(stored))
            }
        }
    }
}

/// Moves a stored time back by what so many requests are worth.
fn giving_back(key: Key, rate: Rate, count: NonZeroU32) -> Write {
    let worth = i128::from(rate.interval()) * i128::from(count.get());
    let change = Change::Update(vec![Assignment::Add(attribute(TIME), number(-worth))]);
    Write { repeatable: false, ..Write::new(key, Condition::Exists(attribute(TIME)), change) }
}

fn later(at: u64) -> Admitted {
    Admitted::Later { at: Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::MAX) }
}

impl Hot {
    /// Whether a request of this tenant to this provider may go now. To be asked once for each request; what is not
    /// admitted is meant to be put off, not dropped.
    ///
    /// One request for a process that asks alone; one more for each time that another one was first, and when a process
    /// asks for the first time; none when what it saw last says no already. An answer that is lost costs its place: less
    /// is admitted then, never more.
    pub async fn throttle(
        &self,
        provider: &str,
        tenant: &TenantId,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Admitted, Error> {
        self.admit(Key::throttle(provider, tenant), rate, now).await
    }

    /// Whether what a tenant asks of us, counting so many times, may go now; all of it or nothing. To be asked once for each
    /// request; what is not admitted is meant to be refused. More than a burst is admitted as if it were one: whoever asks
    /// refuses that before. Requests to DynamoDB as in [`Hot::throttle`].
    pub async fn rate_limit(
        &self,
        name: &str,
        tenant: &TenantId,
        rate: Rate,
        count: NonZeroU32,
        now: Timestamp,
    ) -> Result<Allowance, Error> {
        let key = Key::rate_limit(name, tenant);
        let (admitted, seen) = self.admit_many(key, rate, count, now).await?;
        let now = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        let (left, full_in) = rate.left(seen.as_ref().and_then(of_number), now);
        Ok(Allowance { admitted, left, full_in: Duration::from_nanos(full_in) })
    }

    /// What would be admitted of a tenant now, when nothing is asked: one request.
    pub async fn rate_left(
        &self,
        name: &str,
        tenant: &TenantId,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Allowance, Error> {
        let stored = self.get(Key::rate_limit(name, tenant)).await?;
        let now = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        let (left, full_in) = rate.left(stored.as_ref().and_then(|item| read_number(item, TIME)), now);
        Ok(Allowance { admitted: Admitted::Yes, left, full_in: Duration::from_nanos(full_in) })
    }

    /// Gives back so many requests that were admitted and came to nothing: one request, which is sent once. One that is lost
    /// leaves them used: less is admitted then, never more.
    pub async fn give_back(
        &self,
        name: &str,
        tenant: &TenantId,
        rate: Rate,
        count: NonZeroU32,
    ) -> Result<(), Error> {
        let key = Key::rate_limit(name, tenant);
        if let Answer::Applied(item) = self.write(giving_back(key.clone(), rate, count)).await? {
            self.seen.remember(key, item.get(TIME).cloned());
        }
        Ok(())
    }

    async fn admit(&self, key: Key, rate: Rate, now: Timestamp) -> Result<Admitted, Error> {
        Ok(self.admit_many(key, rate, NonZeroU32::MIN, now).await?.0)
    }

    async fn admit_many(
        &self,
        key: Key,
        rate: Rate,
        count: NonZeroU32,
        now: Timestamp,
    ) -> Result<(Admitted, Option<AttributeValue>), Error> {
        let seen = self.seen.recall(&key);
        let admit = Admit { count, ..Admit::new(key.clone(), rate, now, seen) };
        let (admitted, seen) = self.carry_out(admit).await?;
        self.seen.remember(key, seen.clone());
        Ok((admitted, seen))
    }
}

#[cfg(test)]
mod tests;
