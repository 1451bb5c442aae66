use domain::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Next, Write, attribute, number, read_number,
};
use crate::key::Key;
use crate::lifetime::second_after;
use crate::{Error, Hot};

/// Where the item holds what was counted.
const COUNTED: &str = "counted";
/// How long an item stays after its day, in seconds: clocks differ.
const KEPT_SECONDS: i64 = 60 * 60;

/// Whether something still fits into a day's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Whether it was counted; otherwise nothing was.
    pub is_admitted: bool,
    /// How much of the quota is left.
    pub left: u64,
    /// When the next day begins.
    pub next_day: Timestamp,
}

/// Counting towards a quota.
#[derive(Debug)]
struct Count {
    key: Key,
    more: u64,
    quota: u64,
    next_day: Timestamp,
}

impl Count {
    fn outcome(&self, is_admitted: bool, counted: u64) -> Next<Counted> {
        let left = self.quota.saturating_sub(counted);
        Next::Done(Counted { is_admitted, left, next_day: self.next_day })
    }
}

impl Exchange for Count {
    type Outcome = Counted;

    fn next(&mut self, answer: Option<Answer>) -> Next<Counted> {
        match answer {
            Some(Answer::Applied(item)) => {
                self.outcome(true, read_number(&item, COUNTED).unwrap_or(self.more))
            }
            Some(Answer::Refused(item)) => {
                let counted = item.and_then(|item| read_number(&item, COUNTED));
                self.outcome(false, counted.unwrap_or(self.quota))
            }
            None => {
                let Some(room) = self.quota.checked_sub(self.more) else {
                    return self.outcome(false, self.quota);
                };
                let fits = Condition::AtMost(attribute(COUNTED), number(room));
                let condition = Condition::Any(vec![Condition::Missing(attribute(COUNTED)), fits]);
                let gone_at = second_after(self.next_day.as_millisecond()).saturating_add(KEPT_SECONDS);
                // Twice, it leaves less, never more.
                let change = Change::Update(vec![
                    Assignment::Add(attribute(COUNTED), number(self.more)),
                    Assignment::Set(attribute("expires_at"), number(gone_at)),
                ]);
                Next::Write(Write::new(self.key.clone(), condition, change))
            }
        }
    }
}

/// When the day after this one begins (UTC).
fn day_after(day: Date) -> Timestamp {
    let midnight = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
    midnight.map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

/// Takes back what was counted, where that much is counted.
fn uncounting(key: Key, count: u64) -> Write {
    let count = i128::from(count);
    let condition = Condition::Above(attribute(COUNTED), number(count - 1));
    let change = Change::Update(vec![Assignment::Add(attribute(COUNTED), number(-count))]);
    Write { repeatable: false, ..Write::new(key, condition, change) }
}

impl Hot {
    /// Counts something towards what a tenant may have of it in a day (UTC), if all of it fits: one request.
    ///
    /// An answer that is lost leaves it counted: less is admitted then, never more.
    pub async fn count(
        &self,
        name: &str,
        tenant: &TenantId,
        quota: u64,
        count: u64,
        now: Timestamp,
    ) -> Result<Counted, Error> {
        let day = now.to_zoned(TimeZone::UTC).date();
        let key = Key::quota(name, tenant, day);
        self.carry_out(Count { key, more: count, quota, next_day: day_after(day) }).await
    }

    /// What is left of a tenant's quota of a day (UTC), when nothing more is counted: one request.
    pub async fn counted(
        &self,
        name: &str,
        tenant: &TenantId,
        quota: u64,
        now: Timestamp,
    ) -> Result<Counted, Error> {
        let day = now.to_zoned(TimeZone::UTC).date();
        let item = self.get(Key::quota(name, tenant, day)).await?;
        let counted: u64 = item.and_then(|item| read_number(&item, COUNTED)).unwrap_or_default();
        let left = quota.saturating_sub(counted);
        Ok(Counted { is_admitted: left > 0, left, next_day: day_after(day) })
    }

    /// Takes back what was counted at a time and came to nothing: one request, which is sent once.
    ///
    /// A request that is lost leaves it counted: less is admitted then, never more.
    pub async fn uncount(
        &self,
        name: &str,
        tenant: &TenantId,
        count: u64,
        counted_at: Timestamp,
    ) -> Result<(), Error> {
        let day = counted_at.to_zoned(TimeZone::UTC).date();
        self.write(uncounting(Key::quota(name, tenant, day), count)).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Call, Table};

    fn count(table: &mut Table, count: u64) -> Counted {
        let day = jiff::civil::date(2027, 1, 15);
        let key = Key::quota("events", &TenantId::new("acme").unwrap(), day);
        Call::new(Count { key, more: count, quota: 10, next_day: day_after(day) }).finish(table)
    }

    #[test]
    fn what_does_not_fit_is_not_counted() {
        let mut table = Table::default();
        let of = |counted: Counted| (counted.is_admitted, counted.left);
        assert_eq!(of(count(&mut table, 7)), (true, 3));
        assert_eq!(of(count(&mut table, 4)), (false, 3));
        assert_eq!(of(count(&mut table, 3)), (true, 0));
        assert_eq!(of(count(&mut table, 1)), (false, 0));
        assert_eq!(count(&mut table, 1).next_day.to_string(), "2027-01-16T00:00:00Z");
    }

    #[test]
    fn what_is_taken_back_may_be_counted_again_and_no_more_than_that() {
        let mut table = Table::default();
        let key = Key::quota("events", &TenantId::new("acme").unwrap(), jiff::civil::date(2027, 1, 15));
        table.apply(&uncounting(key.clone(), 1));
        assert_eq!(count(&mut table, 8).left, 2, "nothing was counted before");
        table.apply(&uncounting(key.clone(), 9));
        assert!(!count(&mut table, 3).is_admitted, "more than was counted is not taken back");
        table.apply(&uncounting(key, 3));
        assert_eq!(count(&mut table, 5).left, 0);
    }

    #[test]
    fn more_than_the_quota_never_fits() {
        assert!(!count(&mut Table::default(), 11).is_admitted);
    }
}
