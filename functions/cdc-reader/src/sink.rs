use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::ExponentialBuilder;
use domain::Envelope;
use futures::future::{join, join_all};
use jiff::Timestamp;
use queue::{Publisher, Routes};
use tokio::time::Instant;

use crate::{Arrivals, BulkLane, Wakes, pauses};

/// The one agent that is woken by new memories.
pub(crate) const INDEXER: &str = "indexer";
/// What the notifier is called where its queue is spoken of.
const NOTIFIER: &str = "notifier";

/// A queue that refuses longer than this, while others accept, is left to the sweep.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is left alone at first; doubled each time it refuses again, up to the second.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Where wake-ups go.
///
/// What it has accepted is confirmed to Postgres and never read again. So a sink accepts a live wake-up by putting it
/// where it outlives the reader, and one in bulk at least by remembering it for as long as the reader lives: what a dead
/// reader had remembered is behind its head, and the sweep wakes it. The first sweep of the next reader looks at every
/// session, and what is younger than its grace is found by the sweeps that follow. A sink may leave to the sweep what one
/// agent cannot be sent, so that the others are. New rows of adopted tables are found by no sweep: they are accepted when they
/// are noted in Postgres.
pub trait Sink: Send + Sync + 'static {
    /// Hands all of them over. Answers only once every one has been accepted or left to the sweep, however long that
    /// takes; whoever cannot wait drops the future, and some of them may have been accepted then.
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
    arrivals: Option<Arrivals>,
    shut: Arc<Mutex<HashMap<String, Shut>>>,
}

/// A queue that does not take anything at the moment.
#[derive(Debug, Clone, Copy)]
struct Shut {
    /// When it is tried again.
    until: Instant,
    /// How long it is left alone.
    pause: Duration,
}

impl Queues {
    /// Wakes every agent that events wake.
    pub fn new(publisher: Publisher, routes: Routes, now: fn() -> Timestamp) -> Self {
        Self { publisher, routes, now, lane: None, notifier: None, arrivals: None, shut: Arc::default() }
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

    /// The same queues, and a place where new rows of adopted tables are noted. Without it they are left out.
    #[must_use]
    pub fn with_arrivals(self, arrivals: Arrivals) -> Self {
        Self { arrivals: Some(arrivals), ..self }
    }

    /// Publishes to one queue until all of it has been accepted, or it is left to the sweep: because the queue refuses for
    /// good, or has for long while others accepted what they were sent in the same flush (`has_moved`).
    async fn publish(
        &self,
        agent: &str,
        queue_url: &str,
        mut envelopes: Vec<Envelope>,
        has_moved: &AtomicBool,
    ) {
        if envelopes.is_empty() {
            return;
        }
        let shut = self.shut().get(agent).copied();
        if shut.is_some_and(|shut| Instant::now() < shut.until) {
            return left(agent, envelopes.len());
        }
        // One call says whether it is open again: the other agents' wake-ups wait for it.
        let publisher = match shut {
            Some(_) => self.publisher.clone().with_retries(ExponentialBuilder::default().with_max_times(0)),
            None => self.publisher.clone(),
        };
        let began = Instant::now();
        let mut pauses = pauses::unending(Duration::from_millis(200), Duration::from_secs(30));
        while let Err(error) = publisher.publish(queue_url, &envelopes).await {
            metrics::counter!("PublishFailures").increment(1);
            envelopes = error.envelopes;
            let is_alone = has_moved.load(Ordering::Relaxed) && began.elapsed() >= PATIENCE;
            if shut.is_some() || error.is_for_good || is_alone {
                tracing::error!(
                    agent,
                    reason = error.reason,
                    "a queue takes nothing and is left to the sweep"
                );
                let pause = shut.map_or(FIRST_PAUSE, |shut| shut.pause.saturating_mul(2).min(LONGEST_PAUSE));
                self.shut().insert(agent.to_owned(), Shut { until: Instant::now() + pause, pause });
                return left(agent, envelopes.len());
            }
            tracing::warn!(agent, reason = error.reason, "wake-ups were not accepted, trying again");
            if let Some(pause) = pauses.next() {
                tokio::time::sleep(pause).await;
            }
        }
        has_moved.store(true, Ordering::Relaxed);
        if shut.is_some() {
            self.shut().remove(agent);
            tracing::info!(agent, "a queue accepts wake-ups again");
        }
    }

    /// Each change is complete when the lock is given back.
    fn shut(&self) -> MutexGuard<'_, HashMap<String, Shut>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// These are not sent: their sessions are behind their heads, where the sweep finds them.
fn left(agent: &str, wake_ups: usize) {
    metrics::counter!("WakeUpsLeft", "Agent" => agent.to_owned())
        .increment(u64::try_from(wake_ups).unwrap_or(u64::MAX));
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
        let has_moved = AtomicBool::new(false);
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
                self.publish(agent, queue_url, envelopes, &has_moved)
            })
            .chain(
                self.notifier
                    .iter()
                    .map(|queue_url| self.publish(NOTIFIER, queue_url, endpoints.clone(), &has_moved)),
            )
            .collect();
        let noted = async {
            if let Some(arrivals) = &self.arrivals {
                arrivals.note(&wakes.arrivals, wakes.adopted).await;
            }
        };
        join(join_all(queues), noted).await;
    }
}
