use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Envelope, SessionId, TenantId, WakeUp};
use futures::future::join_all;
use jiff::Timestamp;
use queue::{Publisher, Routes};
use store::{Behind, Store};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::lane::{Lane, LanePolicy, Next, Wake};

/// How often the progress of outstanding sessions is looked at.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// How long Postgres is left alone when it did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Calls to SQS at once. They are its own, so that live wake-ups never wait for them.
const CALLS: usize = 8;

/// The way of wake-ups that nobody waits for: at most so many sessions per agent are on their way, and tenants take
/// turns. Cheap to clone; clones share one lane, which lives in memory and dies with the reader. What it held is then
/// found by the sweep.
#[derive(Debug, Clone)]
pub struct BulkLane {
    lane: Arc<Mutex<Lane>>,
    changed: Arc<Notify>,
    agents: Routes,
}

impl BulkLane {
    /// An empty lane for every agent that is routed.
    pub fn new(routes: Routes, policy: &LanePolicy) -> Self {
        let lane = Arc::new(Mutex::new(Lane::new(routes.agents(), policy)));
        Self { lane, changed: Arc::default(), agents: routes }
    }

    /// Takes sessions with new events; every agent is woken for each of them in its turn.
    pub(crate) fn arrived(&self, sessions: &[(TenantId, SessionId, i64)], now: Timestamp) {
        let mut lane = self.lock();
        for (tenant, session, version) in sessions {
            lane.arrived(tenant, *session, *version, now);
        }
        drop(lane);
        self.changed.notify_one();
    }

    /// Takes what was found behind and answers how much of it was not known.
    pub(crate) fn found(&self, behind: &[Behind], now: Timestamp) -> usize {
        let mut lane = self.lock();
        let new = behind.iter().filter(|behind| lane.found(behind, now)).count();
        drop(lane);
        self.changed.notify_one();
        new
    }

    /// Whether sessions were turned away and there is room for them again; says so once.
    pub(crate) fn asks_for_all(&self) -> bool {
        self.lock().asks_for_all()
    }

    /// Every change of the lane is complete when its lock is given back, so a panic elsewhere has not broken it.
    fn lock(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a lane moving: wakes whom it releases, looks at their progress and fills the room they make.
pub struct Keeper {
    store: Store,
    publisher: Publisher,
    lane: BulkLane,
    now: fn() -> Timestamp,
}

impl Keeper {
    /// `store` acts as the reader's role.
    pub fn new(store: Store, publisher: &Publisher, lane: BulkLane, now: fn() -> Timestamp) -> Self {
        Self { store, publisher: publisher.clone().with_concurrency(CALLS), lane, now }
    }

    /// Keeps the lane moving whenever the slot is held: while sessions are outstanding four times a second, and not at
    /// all while it is empty. Ends when whoever holds the slot is gone.
    pub async fn run(&self, mut holding: watch::Receiver<bool>) {
        let mut look_at = Instant::now();
        while holding.wait_for(|holding| *holding).await.is_ok() {
            let next = self.lane.lock().next();
            let due = match next {
                Next::Now => Some(Instant::now()),
                Next::Progress => Some(look_at),
                Next::At(moment) => Some(
                    Instant::now()
                        + (moment.duration_since((self.now)()).unsigned_abs()).max(PROGRESS_INTERVAL),
                ),
                Next::Never => None,
            };
            let is_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = is_due => {
                    let answered = self.look().await;
                    look_at = Instant::now() + PROGRESS_INTERVAL;
                    if !answered {
                        tokio::time::sleep(AFTER_FAILURE).await;
                    }
                }
                () = self.lane.changed.notified() => {}
                changed = holding.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Looks once: gives away what places there are, leaves out who has no need any more, and wakes the others. Answers
    /// whether Postgres could be asked; if not, those released are woken all the same.
    pub async fn look(&self) -> bool {
        let now = (self.now)();
        let (released, asked) = {
            let mut lane = self.lane.lock();
            (lane.release(now), lane.outstanding())
        };
        let questions: Vec<_> =
            asked.iter().map(|(agent, session, version)| (&**agent, *session, *version)).collect();
        let answers =
            if questions.is_empty() { Ok(Vec::new()) } else { self.store.caught_up(&questions).await };
        let answered = answers.is_ok();
        let through = answers.unwrap_or_else(|error| {
            tracing::warn!(%error, "the progress of the agents could not be read");
            Vec::new()
        });
        let mut through: HashMap<_, _> = asked.iter().zip(through).collect();
        through.retain(|_, through| *through);
        {
            let mut lane = self.lane.lock();
            for (agent, session, version) in through.keys() {
                lane.came_through(agent, *session, *version, now);
            }
        }
        let needed = |wake: &Wake| {
            let question = (Arc::clone(&wake.agent), wake.session, wake.version);
            !through.contains_key(&question)
        };
        self.wake(released.into_iter().filter(needed).collect(), now).await;
        for (agent, waiting, outstanding) in self.lane.lock().sizes() {
            metrics::gauge!("LaneWaiting", "Agent" => agent.to_string()).set(count(waiting));
            metrics::gauge!("LaneOutstanding", "Agent" => agent.to_string()).set(count(outstanding));
        }
        answered
    }

    /// Wakes everybody in the lane at once: for a reader that ends because nothing is left to read.
    pub async fn wake_all(&self) {
        let all = self.lane.lock().take();
        self.wake(all, (self.now)()).await;
    }

    /// What SQS does not accept stays in the lane.
    async fn wake(&self, wakes: Vec<Wake>, now: Timestamp) {
        let of = |agent: &str| wakes.iter().filter(|wake| &*wake.agent == agent).collect::<Vec<_>>();
        join_all(self.lane.agents.iter().map(|(agent, queue_url)| {
            let wakes = of(agent);
            async move {
                let envelopes: Vec<_> = wakes.iter().map(|wake| envelope(wake, now)).collect();
                let settled = wakes.iter().any(|wake| wake.settled);
                if envelopes.is_empty() {
                    return;
                }
                metrics::counter!("WakeUpsSent")
                    .increment(u64::try_from(envelopes.len()).unwrap_or(u64::MAX));
                let published = if settled {
                    self.publisher.publish_after(queue_url, &envelopes, Duration::ZERO).await
                } else {
                    self.publisher.publish(queue_url, &envelopes).await
                };
                if let Err(error) = published {
                    tracing::warn!(%error, "wake-ups were not accepted, trying again");
                    metrics::counter!("PublishFailures").increment(1);
                    let mut lane = self.lane.lock();
                    for envelope in error.envelopes {
                        if let WakeUp::Session { session, .. } = envelope.wake_up {
                            lane.refused(agent, session, (self.now)());
                        }
                    }
                }
            }
        }))
        .await;
    }
}

fn envelope(wake: &Wake, now: Timestamp) -> Envelope {
    let tenant = TenantId::clone(&wake.tenant);
    Envelope::first(WakeUp::Session { tenant, session: wake.session, version: wake.version }, now)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
