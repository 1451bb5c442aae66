use domain::TenantId;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Write, attribute, number, read_number,
    unchanged,
};
use crate::key::Key;
use crate::{Error, Hot};

/// Where the item holds what is spent or reserved.
const SPENT: &str = "spent";
/// After how many lost races the budget counts as unknown.
const MOST_ROUNDS: u8 = 5;

/// Whether tokens may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// They are set aside, until the actual number is known and settled.
    Yes,
    /// Fewer are left than that.
    Exhausted,
    /// Nothing is known of what was spent on that day: to be asked again, with the number from Postgres.
    Unknown,
}

/// Setting tokens aside.
#[derive(Debug)]
struct Reserve {
    key: Key,
    day: Date,
    estimate: u64,
    limit: u64,
    seed: Option<u64>,
    /// What is the answer once the write is through.
    meant: Reserved,
    rounds: u8,
}

impl Reserve {
    const fn new(key: Key, day: Date, estimate: u64, limit: u64, seed: Option<u64>) -> Self {
        Self { key, day, estimate, limit, seed, meant: Reserved::Yes, rounds: 0 }
    }

    /// Adds to what is known, as long as it stays within the limit.
    fn add(&mut self) -> Next<Reserved> {
        let Some(room) = self.limit.checked_sub(self.estimate) else {
            return Next::Done(Reserved::Exhausted);
        };
        self.meant = Reserved::Yes;
        // Twice, it leaves less to others than it could, never more.
        let change = Change::Update(vec![Assignment::Add(attribute(SPENT), number(self.estimate))]);
        Next::Write(Write::new(self.key.clone(), Condition::AtMost(attribute(SPENT), number(room)), change))
    }

    /// Begins with what Postgres knows, and this estimate if it fits.
    fn begin(&mut self, seed: u64, condition: Condition) -> Next<Reserved> {
        let with_estimate = seed.saturating_add(self.estimate);
        let fits = with_estimate <= self.limit;
        self.meant = if fits { Reserved::Yes } else { Reserved::Exhausted };
        let spent = if fits { with_estimate } else { seed };
        let change = Change::Update(vec![
            Assignment::Set(attribute(SPENT), number(spent)),
            Assignment::Set(attribute("expires_at"), number(two_days_after(self.day))),
        ]);
        Next::Write(Write::new(self.key.clone(), condition, change))
    }
}

impl Exchange for Reserve {
    type Outcome = Reserved;

    fn next(&mut self, answer: Option<Answer>) -> Next<Reserved> {
        let seen = match answer {
            Some(Answer::Applied(_)) => return Next::Done(self.meant),
            Some(Answer::Refused(seen)) => seen,
            None => {
                return match self.seed {
                    Some(seed) => self.begin(seed, Condition::NoItem),
                    None => self.add(),
                };
            }
        };
        self.rounds += 1;
        if self.rounds > MOST_ROUNDS {
            return Next::Done(Reserved::Unknown);
        }
        match (seen, self.seed) {
            (Some(seen), seed) => match (spent(&seen), seed) {
                (Some(spent), _) if spent > i128::from(self.limit) - i128::from(self.estimate) => {
                    Next::Done(Reserved::Exhausted)
                }
                (Some(_), _) => self.add(),
                (None, Some(seed)) => self.begin(seed, unchanged(&seen, &[SPENT])),
                (None, None) => Next::Done(Reserved::Unknown),
            },
            (None, Some(seed)) => self.begin(seed, Condition::NoItem),
            (None, None) => Next::Done(Reserved::Unknown),
        }
    }
}

fn spent(item: &Item) -> Option<i128> {
    read_number(item, SPENT)
}

/// A day after the day has ended (UTC), in seconds since 1970.
fn two_days_after(day: Date) -> i64 {
    let end = day.saturating_add(2.days()).to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp());
    end.unwrap_or(Timestamp::MAX).as_second()
}

/// Replaces an estimate by what was spent. `None` when it was right.
fn settle(key: Key, estimate: u64, actual: u64) -> Option<Write> {
    let difference = i128::from(actual) - i128::from(estimate);
    let change = Change::Update(vec![Assignment::Add(attribute(SPENT), number(difference))]);
    let write = Write::new(key, Condition::Exists(attribute(SPENT)), change);
    // Given back twice, others could spend it twice.
    (difference != 0).then_some(Write { repeatable: difference > 0, ..write })
}

impl Hot {
    /// Sets aside `estimate` tokens of a tenant's `limit` for a day (UTC), when that many are left.
    ///
    /// One request. [`Reserved::Unknown`] means that the day's number does not exist yet or was lost: the caller asks
    /// again with `seed`, what was spent according to Postgres, which is one request more; when others seeded it
    /// meanwhile, theirs counts.
    ///
    /// An answer that is lost leaves the estimate spent for that day: less is admitted then, never more. What was set
    /// aside and not settled when the number was lost is not in the seed.
    pub async fn reserve_tokens(
        &self,
        tenant: &TenantId,
        day: Date,
        estimate: u64,
        limit: u64,
        seed: Option<u64>,
    ) -> Result<Reserved, Error> {
        self.carry_out(Reserve::new(Key::budget(tenant, day), day, estimate, limit, seed)).await
    }

    /// Replaces an estimate that was set aside by the tokens that were spent; with 0, gives it back. One request, or
    /// none when the estimate was right. Nothing happens when the day's number was lost: the seed will know.
    ///
    /// What was spent counts in full, beyond the limit too. To be called once, whatever comes of it: it adds the
    /// difference each time. What is given back is sent once; when that fails, it stays spent for that day.
    pub async fn settle_tokens(
        &self,
        tenant: &TenantId,
        day: Date,
        estimate: u64,
        actual: u64,
    ) -> Result<(), Error> {
        match settle(Key::budget(tenant, day), estimate, actual) {
            Some(write) => self.write(write).await.map(|_| ()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
