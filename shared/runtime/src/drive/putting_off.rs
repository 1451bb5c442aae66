//! Thinking later: wake-ups that are sent again, and what is held until a time.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use store::{Hold, HoldReason};

use super::Drive;
use crate::agent::Agent;
use crate::flow::{Delay, Happened, Sleep};
use crate::hooks::Waits;
use crate::process::{Failed, own_queue};

/// The first back-off, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));

/// The back-off after so many attempts: doubled each time, with jitter.
pub(crate) fn back_off(attempt: u32) -> Duration {
    let (first, longest) = BACK_OFF;
    let places = usize::try_from(attempt.clamp(1, 16)).unwrap_or(1);
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .with_max_times(places)
        .with_jitter()
        .build()
        .nth(places - 1)
        .unwrap_or(longest)
}

impl<'a, A: Agent> Drive<'a, A> {
    pub(super) async fn send_rest(&mut self, version: i64) -> Result<Happened, Failed> {
        let rest = WakeUp::Session { tenant: self.tenant.clone(), session: self.session, version };
        let envelope = Envelope::first(rest, (self.services.now)());
        self.services.publisher.publish(self.queue()?, &[envelope]).await?;
        Ok(Happened::Done)
    }

    pub(super) async fn defer(&mut self, delay: Delay, version: Option<i64>) -> Result<Happened, Failed> {
        let delay = match delay {
            Delay::For(delay) => delay,
            Delay::BackOff { attempt } => back_off(attempt),
        };
        let mut envelope = self.envelope.clone();
        if let (WakeUp::Session { version: named, .. }, Some(version)) = (&mut envelope.wake_up, version) {
            *named = version;
        }
        self.services.publisher.defer(self.queue()?, envelope, delay).await?;
        self.put_off = Some(Waits::Deferred(Some(delay)));
        Ok(Happened::Done)
    }

    pub(super) async fn hold(&mut self, until: Timestamp, sleep: Sleep) -> Result<Happened, Failed> {
        let (session, reason) = match sleep {
            Sleep::Session => (Some(self.session), HoldReason::Sleep),
            Sleep::Tenant => (None, HoldReason::Budget),
        };
        let hold = Hold {
            tenant: Some(self.tenant.clone()),
            agent: Some(self.agent.spec().name.to_owned()),
            user: None,
            session,
            until: Some(until),
            reason,
        };
        self.services.store.hold(&hold).await?;
        self.put_off = Some(Waits::Until(until));
        Ok(Happened::Done)
    }

    fn queue(&self) -> Result<&'a str, Failed> {
        own_queue(self.services, self.agent.spec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_from_two_seconds_to_five_minutes() {
        for (attempt, least, most) in
            [(0, 2, 4), (1, 2, 4), (2, 4, 8), (3, 8, 16), (9, 300, 600), (99, 300, 600)]
        {
            let delay = back_off(attempt).as_secs_f64();
            assert!(delay >= f64::from(least) && delay <= f64::from(most), "{attempt}: {delay}");
        }
    }
}
