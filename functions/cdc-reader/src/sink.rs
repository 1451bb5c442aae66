use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use domain::Envelope;
use futures::future::join_all;
use jiff::Timestamp;
use queue::{Publisher, Routes};

use crate::{BulkLane, Wakes};

/// The one agent that is woken by new memories.
const INDEXER: &str = "indexer";

/// Where wake-ups go.
///
/// What it has accepted is confirmed to Postgres and never read again. So a sink accepts a live wake-up by putting it
/// where it outlives the reader, and one in bulk at least by remembering it for as long as the reader lives: what a dead
/// reader had remembered is behind its head, and the sweep wakes it. The first sweep of the next reader looks at every
/// session, and what is younger than its grace is found by the sweeps that follow.
pub trait Sink: Send + Sync + 'static {
    /// Hands all of them over. Answers only once every one has been accepted, however long that takes; whoever cannot
    /// wait drops the future, and some of them may have been accepted then.
    fn accept(&self, wakes: Wakes) -> impl Future<Output = ()> + Send;
}

/// The queues of the agents: live wake-ups are published at once, those in bulk too unless there is a lane for them.
#[derive(Debug, Clone)]
pub struct Queues {
    publisher: Publisher,
    routes: Routes,
    now: fn() -> Timestamp,
    lane: Option<BulkLane>,
    notifier: Option<String>,
}

impl Queues {
    /// Wakes every agent that events wake.
    pub fn new(publisher: Publisher, routes: Routes, now: fn() -> Timestamp) -> Self {
        Self { publisher, routes, now, lane: None, notifier: None }
    }

    /// The same queues, with a lane for what comes in bulk.
    #[must_use]
    pub fn with_lane(self, lane: BulkLane) -> Self {
        Self { lane: Some(lane), ..self }
    }

    /// The same queues, and the notifier's, which is woken for endpoints that something waits for. Without it they are left
    /// to the sweep.
    #[must_use]
    pub fn with_notifier(self, queue_url: Option<String>) -> Self {
        Self { notifier: queue_url, ..self }
    }

    /// Publishes to one queue until all of it has been accepted.
    async fn publish(&self, queue_url: &str, mut envelopes: Vec<Envelope>) {
        let mut pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(30))
            .without_max_times()
            .build();
        while let Err(error) = self.publisher.publish(queue_url, &envelopes).await {
            tracing::warn!(%error, "wake-ups were not accepted, trying again");
            metrics::counter!("PublishFailures").increment(1);
            envelopes = error.envelopes;
            if let Some(pause) = pauses.next() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

impl Sink for Queues {
    async fn accept(&self, mut wakes: Wakes) {
        let now = (self.now)();
        if let Some(lane) = &self.lane
            && !wakes.bulk.is_empty()
        {
            lane.arrived(&std::mem::take(&mut wakes.bulk), now);
        }
        let sessions = wakes.session_envelopes(now);
        let memories = wakes.memory_envelopes(now);
        let endpoints = wakes.endpoint_envelopes(now);
        let queues: Vec<_> = self
            .routes
            .woken()
            .map(|(agent, queue_url)| {
                let mut envelopes = sessions.clone();
                if agent == INDEXER {
                    envelopes.extend_from_slice(&memories);
                }
                metrics::counter!("WakeUpsSent")
                    .increment(u64::try_from(envelopes.len()).unwrap_or(u64::MAX));
                self.publish(queue_url, envelopes)
            })
            .chain(self.notifier.iter().map(|queue_url| self.publish(queue_url, endpoints.clone())))
            .collect();
        join_all(queues).await;
    }
}
