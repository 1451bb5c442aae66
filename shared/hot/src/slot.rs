use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::TenantId;
use jiff::Timestamp;
use uuid::Uuid;

use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Path, Write, attribute, number, of_number,
    unchanged,
};
use crate::key::Key;
use crate::lifetime::{LONGEST_TERM_MILLISECONDS, ends, second_after};
use crate::{Error, Hot};

/// Where the item holds its holders and the ends of their terms.
const HOLDERS: &str = "holders";
/// How many ended terms one write clears. An expression of DynamoDB has a longest length.
const MOST_CLEARED: usize = if cfg!(test) { 2 } else { 64 };
/// After how many lost races there counts as no slot free.
const MOST_ROUNDS: u8 = 8;
/// How long an item stays after the last end it was written with, in seconds: a day, more than terms can differ by.
const KEPT_SECONDS: i64 = 24 * 60 * 60;

/// The right to be one of so many, until it is given back or ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    agent: String,
    tenant: TenantId,
    holder: Uuid,
}

/// Taking a slot.
#[derive(Debug)]
struct Occupy {
    key: Key,
    limit: u32,
    holder: String,
    ends_at: i64,
    now: i64,
    rounds: u8,
    /// Whether the write only makes room.
    clears: bool,
}

impl Occupy {
    fn member(&self) -> Path {
        member(&self.holder)
    }

    /// The usual case in one write: room for one more, or this holder's already.
    fn join(&self) -> Write {
        let fewer = |than: u32| Condition::Fewer(attribute(HOLDERS), number(than));
        let condition = Condition::All(vec![
            Condition::Exists(attribute(HOLDERS)),
            Condition::Any(vec![
                fewer(self.limit),
                Condition::All(vec![
                    Condition::Above(self.member(), number(self.now)),
                    Condition::AtMost(self.member(), number(self.longest())),
                ]),
                Condition::All(vec![Condition::Exists(self.member()), fewer(self.limit.saturating_add(1))]),
            ]),
        ]);
        self.write(condition, vec![Assignment::Set(self.member(), number(self.ends_at))])
    }

    fn write(&self, condition: Condition, mut assignments: Vec<Assignment>) -> Write {
        let expires_at = second_after(self.ends_at).saturating_add(KEPT_SECONDS);
        assignments.push(Assignment::Set(attribute("expires_at"), number(expires_at)));
        Write::new(self.key.clone(), condition, Change::Update(assignments))
    }

    /// The first holder, where there is no list of holders or an unreadable one.
    fn found(&self, condition: Condition) -> Write {
        let holders = AttributeValue::M([(self.holder.clone(), number(self.ends_at))].into());
        self.write(condition, vec![Assignment::Set(attribute(HOLDERS), holders)])
    }

    /// The latest that a term can end which a right clock has written.
    const fn longest(&self) -> i64 {
        self.now.saturating_add(LONGEST_TERM_MILLISECONDS)
    }

    fn runs(&self, ends_at: Option<i64>) -> bool {
        ends_at.is_some_and(|end| self.now < end && end <= self.longest())
    }

    /// What to do about the holders that are there.
    fn decide(&mut self, seen: &Item) -> Next<bool> {
        let Some(holders) = seen.get(HOLDERS).and_then(|holders| holders.as_m().ok()) else {
            return Next::Write(self.found(unchanged(seen, &[HOLDERS])));
        };
        let mut ended: Vec<(&String, &AttributeValue)> = holders
            .iter()
            .filter(|(holder, end)| **holder != self.holder && !self.runs(of_number(end)))
            .collect();
        ended.sort_by_key(|(holder, _)| *holder);
        let present = holders.contains_key(&self.holder);
        let others = holders.len() - usize::from(present);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let running = others - ended.len();
        if running >= limit {
            return Next::Done(false);
        }
        // With this one, no more than the limit.
        let surplus = (others + 1).saturating_sub(limit);
        self.clears = surplus > MOST_CLEARED;
        ended.truncate(surplus.min(MOST_CLEARED));
        let mut condition: Vec<Condition> =
            ended.iter().map(|(holder, end)| Condition::Equal(member(holder), (*end).clone())).collect();
        let mut assignments: Vec<Assignment> =
            ended.iter().map(|(holder, _)| Assignment::Remove(member(holder))).collect();
        if !self.clears {
            let presence = if present { Condition::Exists } else { Condition::Missing };
            condition.push(presence(self.member()));
            // What is cleared and what is this holder's already leave room for as many more.
            let fewer = limit + ended.len() + usize::from(present);
            let fewer = u64::try_from(fewer).unwrap_or(u64::MAX);
            condition.push(Condition::Fewer(attribute(HOLDERS), number(fewer)));
            assignments.push(Assignment::Set(self.member(), number(self.ends_at)));
        }
        Next::Write(self.write(Condition::All(condition), assignments))
    }
}

impl Exchange for Occupy {
    type Outcome = bool;

    fn next(&mut self, answer: Option<Answer>) -> Next<bool> {
        let seen = match answer {
            Some(Answer::Applied(_)) if !self.clears => return Next::Done(true),
            Some(Answer::Applied(item)) => Some(item),
            Some(Answer::Refused(seen)) => seen,
            None if self.limit == 0 => return Next::Done(false),
            None => return Next::Write(self.join()),
        };
        self.rounds += 1;
        if self.rounds > MOST_ROUNDS {
            return Next::Done(false);
        }
        match seen {
            Some(seen) => self.decide(&seen),
            None => Next::Write(self.found(Condition::NoItem)),
        }
    }
}

impl Slot {
    fn leave(&self) -> Write {
        let mine = member(&self.holder.to_string());
        let change = Change::Update(vec![Assignment::Remove(mine.clone())]);
        Write::new(Key::slots(&self.agent, &self.tenant), Condition::Exists(mine), change)
    }
}

fn member(holder: &str) -> Path {
    Path::Member(HOLDERS, holder.to_owned())
}

impl Hot {
    /// Takes one of the `limit` slots that an agent has for a tenant, for `time` and at most 15 minutes; `None` when all
    /// are taken. Whoever has one already gets it again, for longer. With a limit of 0 nobody gets one.
    ///
    /// One request; two for the first slot, and when slots must be cleared whose holders died. No request for a limit
    /// of 0.
    pub async fn acquire_slot(
        &self,
        agent: &str,
        tenant: &TenantId,
        limit: u32,
        holder: Uuid,
        time: Duration,
        now: Timestamp,
    ) -> Result<Option<Slot>, Error> {
        let occupy = Occupy {
            key: Key::slots(agent, tenant),
            limit,
            holder: holder.to_string(),
            ends_at: ends(now, time),
            now: now.as_millisecond(),
            rounds: 0,
            clears: false,
        };
        let taken = self.carry_out(occupy).await?;
        Ok(taken.then(|| Slot { agent: agent.to_owned(), tenant: tenant.clone(), holder }))
    }

    /// Gives a slot back. Nothing happens when it has ended and was cleared. One request.
    pub async fn release_slot(&self, slot: &Slot) -> Result<(), Error> {
        self.write(slot.leave()).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests;
