use std::time::Duration;

use domain::{Envelope, WakeUp};
use jiff::Timestamp;
use queue::{Publisher, Routes};
use store::{Store, SweepSpan};
use tokio::sync::watch;

use crate::BulkLane;
use crate::coalescer::endpoint_envelope;
use crate::sink::INDEXER;

/// How far back an ordinary sweep looks. Older sessions are left to the sweep of all.
const RECENT: Duration = Duration::from_hours(1);

/// Every so many sweeps all sessions are looked at, not only the recent ones.
const ALL_EVERY: u32 = 60;

/// So many users' memories are woken for at once.
const MOST_MEMORY_WAKE_UPS: u16 = 10_000;

/// When sessions that are behind are looked for.
#[derive(Debug, Clone, Copy)]
pub struct SweepPolicy {
    /// The time between two sweeps.
    pub interval: Duration,
    /// Younger events are still on their ordinary way.
    pub grace: Duration,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), grace: Duration::from_mins(2) }
    }
}

/// Finds the agents whose cursor has stayed behind a session's head and puts them into the lane: whatever became of a
/// wake-up, its session is thought about. Only the reader that holds the slot sweeps.
pub struct Sweep {
    store: Store,
    lane: BulkLane,
    routes: Routes,
    policy: SweepPolicy,
    now: fn() -> Timestamp,
    notifier: Option<(Publisher, String)>,
    publisher: Option<Publisher>,
}

impl Sweep {
    /// A sweep that has not looked yet. `store` acts as the reader's role.
    pub fn new(
        store: Store,
        lane: BulkLane,
        routes: Routes,
        policy: SweepPolicy,
        now: fn() -> Timestamp,
    ) -> Self {
        Self { store, lane, routes, policy, now, notifier: None, publisher: None }
    }

    /// The same sweep, waking the notifier too: for endpoints whose wake-up was lost and those whose wait after a failure is
    /// longer than a queue can hold one back.
    #[must_use]
    pub fn with_notifier(self, publisher: Publisher, queue_url: Option<String>) -> Self {
        Self { notifier: queue_url.map(|queue_url| (publisher, queue_url)), ..self }
    }

    /// The same sweep, which also wakes the indexer for memories it was not told of: no cursor says that they wait.
    #[must_use]
    pub fn with_memories(self, publisher: Publisher) -> Self {
        Self { publisher: Some(publisher), ..self }
    }

    /// Sweeps whenever the slot is held: all sessions first, then the recent ones at every interval. All of them again
    /// after the slot was not held for a while, because another reader may have died with a lane meanwhile. Ends when
    /// whoever holds the slot is gone.
    pub async fn run(self, mut holding: watch::Receiver<bool>) {
        let mut all_in = 0_u32;
        loop {
            let was_lost = holding.has_changed().unwrap_or(false);
            if holding.wait_for(|holding| *holding).await.is_err() {
                return;
            }
            let all = self.lane.asks_for_all() || all_in == 0 || was_lost;
            match self.sweep(all).await {
                Ok(found) => {
                    all_in = if all { ALL_EVERY } else { all_in } - 1;
                    if found > 0 {
                        tracing::info!(found, all, "found agents that were behind");
                    }
                }
                Err(error) => {
                    all_in = if all { 0 } else { all_in };
                    tracing::warn!(%error, "the sweep failed, the next one tries again");
                }
            }
            tokio::time::sleep(self.policy.interval).await;
        }
    }

    /// Wakes the notifier for every endpoint that it should have been at by now, and measures how long what waits has waited.
    async fn sweep_endpoints(&self, now: Timestamp) -> anyhow::Result<()> {
        let Some((publisher, queue_url)) = &self.notifier else { return Ok(()) };
        let oldest = self.store.oldest_waiting_delivery().await?;
        metrics::gauge!("OldestWaitingWebhookHours").set(hours_since(oldest, now));
        let waiting = self.store.endpoints_waiting(now, now - self.policy.interval).await?;
        let envelopes: Vec<_> =
            waiting.iter().map(|(tenant, endpoint)| endpoint_envelope(tenant, *endpoint, now)).collect();
        Ok(publisher.publish(queue_url, &envelopes).await?)
    }

    /// Looks once and answers how much it found that was not in the lane.
    pub async fn sweep(&self, all: bool) -> anyhow::Result<usize> {
        let now = (self.now)();
        let until = now - self.policy.grace;
        let span =
            if all { SweepSpan::All { until } } else { SweepSpan::Recent { since: now - RECENT, until } };
        let agents: Vec<&str> = self.routes.woken().map(|(agent, _)| agent).collect();
        let behind = self.store.sessions_behind(&agents, span).await?;
        metrics::gauge!("SessionsBehind").set(u32::try_from(behind.len()).unwrap_or(u32::MAX));
        let mut found = self.lane.found(&behind, now);
        loop {
            let (ended, behind) = self.store.ended_holds(&agents).await?;
            found += self.lane.found(&behind, now);
            // They go last, so that a reader that dies before it comes here finds them again.
            if ended.is_empty() || self.store.delete_holds(&ended).await? == 0 {
                break;
            }
        }
        self.sweep_endpoints(now).await?;
        if all {
            self.wake_for_memories(until, now).await?;
        }
        metrics::counter!("SessionsSwept").increment(u64::try_from(found).unwrap_or(u64::MAX));
        Ok(found)
    }

    /// Wakes the indexer for users with memories that have waited since before `until` to be embedded. With every sweep of
    /// all sessions, so that an embedder that is down finds its queue as short as it was.
    async fn wake_for_memories(&self, until: Timestamp, now: Timestamp) -> anyhow::Result<()> {
        let Some((publisher, queue_url)) = self.publisher.as_ref().zip(self.routes.url(INDEXER)) else {
            return Ok(());
        };
        let waiting = self.store.memories_behind(until, MOST_MEMORY_WAKE_UPS).await?;
        let wake_up = |(tenant, session)| Envelope::first(WakeUp::Memories { tenant, session }, now);
        let envelopes: Vec<Envelope> = waiting.into_iter().map(wake_up).collect();
        metrics::counter!("MemoriesSwept").increment(u64::try_from(envelopes.len()).unwrap_or(u64::MAX));
        if !envelopes.is_empty() {
            tracing::info!(users = envelopes.len(), "found memories that were not embedded");
            publisher.publish(queue_url, &envelopes).await?;
        }
        Ok(())
    }
}

/// How many hours ago something was; 0 of nothing, and of what another clock says is still to come.
fn hours_since(then: Option<Timestamp>, now: Timestamp) -> f64 {
    then.map_or(0.0, |then| now.duration_since(then).as_secs_f64().max(0.0) / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_measured_in_hours_and_nothing_is_none() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        assert!((hours_since(Some(at(0)), at(5_400)) - 1.5).abs() < 1e-9);
        assert!(hours_since(Some(at(10)), at(0)).abs() < 1e-9);
        assert!(hours_since(None, at(0)).abs() < 1e-9);
    }
}
