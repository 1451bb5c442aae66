//! Finishes erasures and clears away what has become old.
//!
//! - **Woken by** a tick once a day, and by every erasure.
//! - **Reads** erasures that are not complete, and of every tenant what is older than its periods.
//! - **Writes** deletions, in Postgres, hot state and among dead letters; receipts.
//! - **Emits** a tick to itself: when there is more to do than one invocation has time for, and when an erasure has to
//!   settle before the last look.
//!
//! Every step is a transaction of its own that deletes so many rows at most. Whatever ends in the middle goes on with the next
//! tick: what is done is done, and what is left is found again.

mod archive;
mod config;
mod erasures;
mod overdue;
mod tidying;

use std::time::Duration;

use domain::{Envelope, InvalidEnvelope, Retention, WakeUp};
use hot::Hot;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{LambdaEvent, service_fn};
use queue::{Publisher, Routes, SqsBatchResponse, SqsEvent, batch_response, deliveries};
use runtime::{Config, Services};
use store::{Role, Store, UntidyTenant};

pub use config::InvalidSetting;
use config::Settings;

/// Left for answering when the invocation's time runs out.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);
/// Time of an invocation whose deadline is not to be believed, as under `cargo lambda watch`.
const ASSUMED_TIME: SignedDuration = SignedDuration::from_secs(55);
/// The longest that a message waits in its queue before it is delivered.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// Why the janitor could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Postgres.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Hot state.
    #[error(transparent)]
    Hot(#[from] hot::Error),
    /// A queue of dead letters.
    #[error(transparent)]
    DeadLetters(#[from] queue::NotLookedThrough),
    /// Its own queue.
    #[error(transparent)]
    NotAccepted(#[from] queue::NotAccepted),
}

/// What a tick came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worked {
    /// There is nothing left to do.
    Done,
    /// There was no time left.
    OutOfTime,
    /// An erasure has to settle for so long before the last look.
    Settling(SignedDuration),
}

/// The function.
pub struct Janitor {
    keeper: Store,
    hot: Hot,
    publisher: Publisher,
    routes: Routes,
    queue_url: Option<String>,
    /// Of what was accepted and cannot be stored.
    ingest_dead_letters: Option<String>,
    settings: Settings,
    now: fn() -> Timestamp,
}

impl Janitor {
    /// A janitor on clients at hand.
    pub fn from_services(services: &Services) -> anyhow::Result<Self> {
        let variables = &services.config.variables;
        Ok(Self {
            keeper: Store::new(&services.database, Role::Keeper, 2)?,
            hot: services.hot.clone(),
            publisher: services.publisher.clone(),
            routes: services.config.routes.clone(),
            queue_url: variables.get("JANITOR_QUEUE").filter(|url| !url.is_empty()).cloned(),
            ingest_dead_letters: variables.get("INGEST_DEAD_LETTERS").filter(|url| !url.is_empty()).cloned(),
            settings: Settings::from_map(variables)?,
            now: services.now,
        })
    }

    /// The same janitor by another clock.
    #[must_use]
    pub fn with_clock(self, now: fn() -> Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The periods of the deployment.
    pub const fn retention(&self) -> Retention {
        self.settings.retention
    }

    /// Does what there is to do until a time. Erasures come first, with half of the time where something else is to be done.
    pub async fn work(&self, until: Timestamp) -> Result<Worked, Error> {
        let due = (self.now)().saturating_sub(self.settings.interval).unwrap_or(Timestamp::MIN);
        let tenants = self.keeper.tenants_to_tidy(due).await?;
        // First of all, so that it is measured however this ends.
        self.watch_erasures(&tenants, false).await?;
        let worked = self.work_through(&tenants, until).await;
        self.watch_erasures(&tenants, true).await?;
        worked
    }

    async fn work_through(&self, tenants: &[UntidyTenant], until: Timestamp) -> Result<Worked, Error> {
        let erasing = tenants.iter().filter(|tenant| tenant.has_erasures).map(|tenant| &tenant.tenant);
        let is_due = tenants.iter().any(|tenant| tenant.is_due);
        let now = (self.now)();
        // However much there is to erase, what has become old goes too.
        let half = now.saturating_add(until.duration_since(now) / 2).unwrap_or(until);
        let erasures = self.finish_erasures(erasing, if is_due { half } else { until }).await;
        for tenant in tenants.iter().filter(|tenant| tenant.is_due) {
            if self.tidy(tenant, until).await? == Worked::OutOfTime {
                return Ok(Worked::OutOfTime);
            }
        }
        if is_due && self.tidy_refusals(until).await? == Worked::OutOfTime {
            return Ok(Worked::OutOfTime);
        }
        Ok(erasures)
    }

    fn is_over(&self, until: Timestamp) -> bool {
        (self.now)() >= until
    }

    /// Handles one batch of the janitor's queue: any number of ticks is one.
    pub async fn handle(&self, event: SqsEvent, until: Timestamp) -> SqsBatchResponse {
        let (mut ticks, mut failed) = (Vec::new(), Vec::new());
        for delivery in deliveries(event) {
            match delivery.envelope {
                Ok(envelope) if envelope.wake_up == WakeUp::Tick => ticks.push(delivery.message_id),
                Ok(_) => {
                    let message_id = delivery.message_id;
                    tracing::error!(message_id, "a wake-up that is no tick was discarded");
                }
                Err(error @ InvalidEnvelope::UnknownFormat { .. }) => {
                    tracing::error!(message_id = delivery.message_id, %error, "a message was left in the queue");
                    failed.push(delivery.message_id);
                }
                Err(error) => {
                    let message_id = delivery.message_id;
                    tracing::error!(message_id, %error, "a message that is no tick was discarded");
                }
            }
        }
        if !ticks.is_empty()
            && let Err(error) = self.work_and_send(until).await
        {
            tracing::error!(%error, "the janitor could not go on, the tick comes again");
            failed.extend(ticks);
        }
        batch_response(failed)
    }

    async fn work_and_send(&self, until: Timestamp) -> Result<(), Error> {
        let worked = self.work(until).await?;
        let delay = match worked {
            Worked::Done => return Ok(()),
            Worked::OutOfTime => Duration::ZERO,
            Worked::Settling(rest) => rest.clamp(SignedDuration::from_secs(1), LONGEST_WAIT).unsigned_abs(),
        };
        let Some(queue_url) = &self.queue_url else {
            tracing::warn!("JANITOR_QUEUE is not set: what is left waits for the next tick");
            return Ok(());
        };
        let tick = Envelope::first(WakeUp::Tick, (self.now)());
        self.publisher.publish_after(queue_url, &[tick], delay).await?;
        Ok(())
    }
}

/// Runs the function as a Lambda until the process is ended.
pub async fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = runtime::init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let janitor = Janitor::from_services(&services)?;
    let (janitor, telemetry) = (&janitor, &telemetry);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let until = until((janitor.now)(), event.context.deadline);
        let response = Box::pin(janitor.handle(event.payload, until)).await;
        telemetry.flush();
        Ok::<_, lambda_runtime::Error>(response)
    }))
    .await
    .map_err(|error| anyhow::anyhow!(error))
}

/// Until when an invocation may begin another step.
fn until(now: Timestamp, deadline_milliseconds: u64) -> Timestamp {
    i64::try_from(deadline_milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .and_then(|deadline| deadline.checked_sub(MARGIN).ok())
        .filter(|until| *until > now)
        .unwrap_or_else(|| now.saturating_add(ASSUMED_TIME).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_ends_before_its_deadline_or_after_a_minute_when_that_is_past() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(until(now, 1_800_000_900_000).as_second(), 1_800_000_890);
        for long_gone in [0, 900_000, u64::MAX] {
            assert_eq!(until(now, long_gone).as_second(), 1_800_000_055);
        }
    }
}
