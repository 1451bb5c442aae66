use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::SessionId;
use jiff::Timestamp;
use uuid::Uuid;

use crate::item::{
    Answer, Assignment, Change, Condition, Exchange, Item, Next, Write, attribute, number, of_number,
    read_number, unchanged,
};
use crate::key::Key;
use crate::lifetime::{LONGEST_TERM_MILLISECONDS, ends, second_after};
use crate::{Error, Hot};

/// How long what a lease knows of its window outlives it, in seconds: a day.
const KEPT_SECONDS: i64 = 24 * 60 * 60;
/// After how many lost races the lease counts as held.
const MOST_ROUNDS: u8 = 5;
/// For how long it then counts as held, in milliseconds.
const CONTENDED_MILLISECONDS: i64 = 1000;

/// The right of one run to think about one window of a session, until it is given back or ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// How often a run has taken the lease for a window that begins here without finishing, this run included: 1 for
    /// the first. Greater only after a crash, a failure that yielded, or an answer that never arrived.
    pub tries: u32,
    /// Where the window ends that the first of these tries meant, at least this one's own when it is the first. The
    /// window is the same for all of them, so that what an earlier try paid for fits.
    pub through: i64,
    /// Whose lease it is, of its own session.
    pub agent: String,
    /// The session.
    pub session: SessionId,
    /// The run that has it.
    pub holder: Uuid,
}

/// What became of the wish for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    /// It is this holder's.
    Taken(Lease),
    /// It is another holder's until then.
    Held {
        /// When that holder's term ends, unless it gives it back before or renews it.
        until: Timestamp,
    },
}

/// The lease of one (agent, session), wanted for a window.
#[derive(Debug, Clone)]
struct Wanted {
    agent: String,
    session: SessionId,
    holder: Uuid,
    after: i64,
    through: i64,
    ends_at: i64,
    now: i64,
}

/// Taking or renewing a lease.
#[derive(Debug)]
struct Acquire {
    wanted: Wanted,
    /// Whether the holder is believed to have it.
    renews: bool,
    rounds: u8,
}

/// What is to be done about the item that is there.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Held { until: i64 },
    Take { tries: u32, through: i64 },
}

impl Wanted {
    /// Whose lease is it, and what is known of the window?
    ///
    /// A term that ends later than any term can was written by a wrong clock and is not believed.
    fn decide(&self, seen: &Item) -> Decision {
        let ends_at: i64 = read_number(seen, "ends_at").unwrap_or(0);
        let holder = seen.get("holder");
        let mine = holder == Some(&self.holder());
        let runs = self.now < ends_at && ends_at <= self.now.saturating_add(LONGEST_TERM_MILLISECONDS);
        if holder.is_some() && !mine && runs {
            return Decision::Held { until: ends_at };
        }
        let lives = read_number(seen, "expires_at").is_some_and(|second: i64| second > self.now / 1000);
        let same_window = lives && read_number(seen, "after") == Some(self.after);
        let known = read_number::<u32>(seen, "tries").zip(read_number::<i64>(seen, "through"));
        match known.filter(|_| same_window) {
            // The answer to this holder's first attempt was lost: it is the same try.
            Some((tries, through)) if mine => Decision::Take { tries, through },
            Some((tries, through)) => Decision::Take { tries: tries.saturating_add(1), through },
            None => Decision::Take { tries: 1, through: self.through },
        }
    }

    fn holder(&self) -> AttributeValue {
        AttributeValue::S(self.holder.to_string())
    }

    /// The usual case in one write: free, and either new or left by another run in the same window.
    fn take(&self) -> Write {
        let free = Condition::All(vec![
            Condition::AtMost(attribute("ends_at"), number(self.now)),
            Condition::Above(attribute("expires_at"), number(self.now / 1000)),
            Condition::Equal(attribute("after"), number(self.after)),
            Condition::Any(vec![
                Condition::Missing(attribute("holder")),
                Condition::Differs(attribute("holder"), self.holder()),
            ]),
        ]);
        let counting = [
            Assignment::SetIfMissing(attribute("through"), number(self.through)),
            Assignment::Add(attribute("tries"), number(1)),
        ];
        self.write(Condition::Any(vec![Condition::NoItem, free]), counting)
    }

    /// The usual case of a holder that goes on with its next window.
    fn renew(&self) -> Write {
        let mine = Condition::All(vec![
            Condition::Equal(attribute("holder"), self.holder()),
            Condition::Differs(attribute("after"), number(self.after)),
        ]);
        self.write(mine, Self::told(1, self.through))
    }

    fn told(tries: u32, through: i64) -> [Assignment; 2] {
        [
            Assignment::Set(attribute("through"), number(through)),
            Assignment::Set(attribute("tries"), number(tries)),
        ]
    }

    fn write(&self, condition: Condition, counting: [Assignment; 2]) -> Write {
        let expires_at = second_after(self.ends_at).saturating_add(KEPT_SECONDS);
        let mut assignments = vec![
            Assignment::Set(attribute("holder"), self.holder()),
            Assignment::Set(attribute("ends_at"), number(self.ends_at)),
            Assignment::Set(attribute("after"), number(self.after)),
            Assignment::Set(attribute("expires_at"), number(expires_at)),
        ];
        assignments.extend(counting);
        Write::new(Key::lease(&self.agent, self.session), condition, Change::Update(assignments))
    }

    fn taken(&self, item: &Item) -> Leased {
        Leased::Taken(Lease {
            tries: read_number(item, "tries").unwrap_or(1),
            through: read_number(item, "through").unwrap_or(self.through),
            agent: self.agent.clone(),
            session: self.session,
            holder: self.holder,
        })
    }
}

impl Exchange for Acquire {
    type Outcome = Leased;

    fn next(&mut self, answer: Option<Answer>) -> Next<Leased> {
        let seen = match answer {
            Some(Answer::Applied(item)) => return Next::Done(self.wanted.taken(&item)),
            Some(Answer::Refused(seen)) => seen,
            None if self.renews => return Next::Write(self.wanted.renew()),
            None => return Next::Write(self.wanted.take()),
        };
        self.rounds += 1;
        // It was deleted meanwhile.
        let Some(seen) = seen else { return Next::Write(self.wanted.take()) };
        let decision = match self.wanted.decide(&seen) {
            Decision::Take { .. } if self.rounds > MOST_ROUNDS => {
                Decision::Held { until: self.wanted.now.saturating_add(CONTENDED_MILLISECONDS) }
            }
            decision => decision,
        };
        match decision {
            Decision::Held { until } => Next::Done(Leased::Held {
                until: Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX),
            }),
            Decision::Take { tries, through } => Next::Write(self.wanted.write(
                unchanged(&seen, &["holder", "ends_at", "after", "tries", "through", "expires_at"]),
                Wanted::told(tries, through),
            )),
        }
    }
}

impl Lease {
    fn is_still_mine(&self) -> Condition {
        Condition::Equal(attribute("holder"), AttributeValue::S(self.holder.to_string()))
    }

    fn release(&self) -> Write {
        Write::new(Key::lease(&self.agent, self.session), self.is_still_mine(), Change::Delete)
    }

    fn yield_up(&self) -> Write {
        let change = Change::Update(vec![
            Assignment::Set(attribute("ends_at"), number(0)),
            Assignment::Set(attribute("tries"), number(self.tries)),
            Assignment::Set(attribute("through"), number(self.through)),
            Assignment::Remove(attribute("holder")),
        ]);
        Write::new(Key::lease(&self.agent, self.session), self.is_still_mine(), change)
    }
}

impl Hot {
    /// Takes the lease of (agent, session) for a run that is about to think about the window `(after, through]`, for
    /// `time` and at most 15 minutes, or says until when another holder has it.
    ///
    /// One request when nobody holds it and it is new, or the run before it left off at the same `after`. Two when that
    /// run's window was another one (it crashed between its commit and its release), or when this holder has it
    /// already. The same holder asking again for the same `after` counts as the same try, so a lost answer costs
    /// nothing; for another `after` it renews, and [`Hot::renew_lease`] does that in one request.
    ///
    /// Terms are told by the clocks of those who take them. Clocks that disagree by more than a term let two runs think
    /// about one window; the commit lets one of them win.
    #[expect(clippy::too_many_arguments, reason = "each says something else about one lease")]
    pub async fn acquire_lease(
        &self,
        agent: &str,
        session: SessionId,
        holder: Uuid,
        after: i64,
        through: i64,
        time: Duration,
        now: Timestamp,
    ) -> Result<Leased, Error> {
        let wanted = Wanted {
            agent: agent.to_owned(),
            session,
            holder,
            after,
            through,
            ends_at: ends(now, time),
            now: now.as_millisecond(),
        };
        self.carry_out(Acquire { wanted, renews: false, rounds: 0 }).await
    }

    /// Goes on with the next window `(after, through]` of a session under the lease that the holder has.
    ///
    /// One request. When the lease has ended meanwhile and another holder has taken it, that is the answer.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        after: i64,
        through: i64,
        time: Duration,
        now: Timestamp,
    ) -> Result<Leased, Error> {
        let wanted = Wanted {
            agent: lease.agent.clone(),
            session: lease.session,
            holder: lease.holder,
            after,
            through,
            ends_at: ends(now, time),
            now: now.as_millisecond(),
        };
        self.carry_out(Acquire { wanted, renews: true, rounds: 0 }).await
    }

    /// Gives a lease back when nothing of its window is left to do, and forgets its tries. Nothing happens when it has
    /// ended and another holder has taken it. One request.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        self.write(lease.release()).await.map(|_| ())
    }

    /// Gives a lease back although its window is not finished: it is free at once, and whoever takes it next for the
    /// same window is the next try. What stays on record for that one is `tries` and `through` as `lease` says them, so
    /// a run that wants a shorter window tried next, or a failure not counted, changes them before. Nothing happens when
    /// another holder has taken it. One request.
    pub async fn yield_lease(&self, lease: &Lease) -> Result<(), Error> {
        self.write(lease.yield_up()).await.map(|_| ())
    }

    /// Whether each of these (agent, session) is leased at `now`: whether a run is thinking about it.
    ///
    /// One request per 100 of them.
    pub async fn leases_held(
        &self,
        leases: &[(&str, SessionId)],
        now: Timestamp,
    ) -> Result<Vec<bool>, Error> {
        let keys: Vec<Key> = leases.iter().map(|(agent, session)| Key::lease(agent, *session)).collect();
        let items = self.get_many(&keys, &["holder", "ends_at"]).await?;
        let now = now.as_millisecond();
        let runs = |item: &Item| {
            item.contains_key("holder")
                && item.get("ends_at").and_then(of_number::<i64>).is_some_and(|ends_at| ends_at > now)
        };
        Ok(keys.iter().map(|key| items.get(key).is_some_and(runs)).collect())
    }
}

#[cfg(test)]
mod tests;
