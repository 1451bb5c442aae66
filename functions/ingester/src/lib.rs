//! Stores what was accepted.
//!
//! Trigger: the FIFO queue of accepted events, in the order of each session. Writes: events, in Postgres; pending turns, in
//! DynamoDB. Emits: dead letters, for what can never be stored.
//!
//! A batch is one statement for each tenant in it, and doing it again comes to nothing, so a message that is delivered
//! again is harmless. What is outside and fails (Postgres, the network) leaves its messages in the queue for as long as it
//! takes. What a tenant wants kept out is taken out here, whoever put it into the queue. What Postgres refuses is looked for event by event: that event goes to the dead letters with the reason, and
//! the rest of its session goes on.

mod batch;
mod measure;
mod screen;
mod store_batch;
mod wanted;

use std::time::Duration;

use domain::TenantId;
use hot::Hot;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use queue::{Publisher, SqsBatchResponse, SqsEvent, batch_response, letters};
use runtime::{Config, Services};
use store::Store;

use crate::batch::{Batch, Delivered};
use crate::store_batch::Stored;
use crate::wanted::Known;

/// The variable with the address of the queue of accepted events.
pub const QUEUE: &str = "INGEST_QUEUE";
/// The variable with the address of its dead letters.
pub const DEAD_LETTERS: &str = "INGEST_DEAD_LETTERS";
/// The longest a message waits before it is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The function, built once per process.
pub struct Ingester {
    store: Store,
    hot: Hot,
    publisher: Publisher,
    queue_url: String,
    dead_letters_url: String,
    known: Known,
    now: fn() -> Timestamp,
}

impl Ingester {
    /// A function on clients at hand; `queue_url` is the queue it is woken by.
    pub fn new(
        store: Store,
        hot: Hot,
        publisher: Publisher,
        queue_url: String,
        dead_letters_url: String,
        now: fn() -> Timestamp,
    ) -> Self {
        Self { store, hot, publisher, queue_url, dead_letters_url, known: Known::default(), now }
    }

    /// A function on the clients of a process; an error names the variable that is missing.
    pub fn from_services(services: &Services) -> anyhow::Result<Self> {
        let url = |variable: &str| {
            let given = services.config.variables.get(variable).filter(|url| !url.is_empty());
            given
                .cloned()
                .ok_or_else(|| anyhow::anyhow!("{variable} is not set, expected the URL of a queue"))
        };
        Ok(Self::new(
            services.store.clone(),
            services.hot.clone(),
            services.publisher.clone(),
            url(QUEUE)?,
            url(DEAD_LETTERS)?,
            services.now,
        ))
    }

    /// Works through one batch. The answer names the messages to deliver again, with each all that follow it in its
    /// session, so that no order is lost.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let batch = Batch::read(letters(event));
        measure::received(&batch, |tenant| self.hot_of(tenant).lifetimes().session_context, (self.now)());
        let Stored { stored, failed } = self.store_batch(batch).await;
        let now = (self.now)();
        for delivered in &stored {
            measure::stored(delivered, now);
        }
        // In the log before they go: whoever looks between the two sees them twice and tells so by their keys.
        let gone = stored.iter().filter_map(|delivered| delivered.accepted.as_ref());
        if let Err(error) = self.hot.delete_pending(gone).await {
            tracing::warn!(%error, "turns that are in the log are still shown as pending");
        }
        if !failed.is_empty() {
            let later: Vec<_> = failed
                .iter()
                .map(|delivered| {
                    (delivered.letter.receipt_handle.clone(), pause(delivered.letter.receive_count))
                })
                .collect();
            self.publisher.retry_later(&self.queue_url, &later).await;
        }
        batch_response(failed.into_iter().map(|Delivered { letter, .. }| letter.message_id))
    }

    /// Hot state as a tenant has it, as far as that is known here.
    fn hot_of(&self, tenant: &TenantId) -> Hot {
        self.hot.for_tenant(&self.known_lifetimes(tenant))
    }
}

/// How long a message waits that was delivered so often: 1, 2, 4 … seconds.
fn pause(receives: u32) -> Duration {
    Duration::from_secs(1_u64 << receives.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// Runs the function as a Lambda until the process is ended.
pub async fn run() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    let telemetry = runtime::init_telemetry(&config)?;
    let services = Services::connect(&config).await?;
    let ingester = &Ingester::from_services(&services)?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let response = ingester.handle(event.payload).await;
        telemetry.flush();
        Ok::<_, lambda_runtime::Error>(response)
    }))
    .await
    .map_err(|error| anyhow::anyhow!(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_longest() {
        let pauses: Vec<u64> = [0, 1, 2, 3, 6, 100].map(|receives| pause(receives).as_secs()).into();
        assert_eq!(pauses, [1, 1, 2, 4, 30, 30]);
    }
}
