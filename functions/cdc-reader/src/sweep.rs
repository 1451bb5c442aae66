use std::collections::HashMap;
use std::time::Duration;

use domain::{Envelope, SessionId, WakeUp};
use jiff::Timestamp;
use queue::{Publisher, Routes};
use store::{Behind, Store, SweepSpan};
use tokio::sync::watch;

/// How far back an ordinary sweep looks. Older sessions are left to the sweep of all.
const RECENT: Duration = Duration::from_hours(1);

/// Every so many sweeps all sessions are looked at, not only the recent ones.
const ALL_EVERY: u32 = 60;

/// The longest pause between two wake-ups of the same session for the same agent, in sweeps.
const LONGEST_PAUSE: u32 = 16;

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

/// Wakes the agents whose cursor has stayed behind a session's head: whatever became of a wake-up, its session is
/// thought about. Only the reader that holds the slot sweeps.
pub struct Sweep {
    store: Store,
    publisher: Publisher,
    routes: Routes,
    policy: SweepPolicy,
    now: fn() -> Timestamp,
    pacer: Pacer,
}

impl Sweep {
    /// A sweep that has not looked yet. `store` acts as the reader's role.
    pub fn new(
        store: Store,
        publisher: Publisher,
        routes: Routes,
        policy: SweepPolicy,
        now: fn() -> Timestamp,
    ) -> Self {
        Self { store, publisher, routes, policy, now, pacer: Pacer::default() }
    }

    /// Sweeps whenever the slot is held: all sessions first, then the recent ones at every interval. Ends when
    /// whoever holds the slot is gone.
    pub async fn run(mut self, mut holding: watch::Receiver<bool>) {
        let mut all_in = 0_u32;
        while holding.wait_for(|holding| *holding).await.is_ok() {
            let all = all_in == 0;
            match self.sweep(all).await {
                Ok(woken) => {
                    all_in = if all { ALL_EVERY } else { all_in } - 1;
                    if woken > 0 {
                        tracing::info!(woken, all, "woke agents that were behind");
                    }
                }
                Err(error) => tracing::warn!(%error, "the sweep failed, the next one tries again"),
            }
            tokio::time::sleep(self.policy.interval).await;
        }
    }

    /// Looks once and answers how many wake-ups it sent.
    pub async fn sweep(&mut self, all: bool) -> anyhow::Result<usize> {
        let now = (self.now)();
        let until = now - self.policy.grace;
        let span =
            if all { SweepSpan::All { until } } else { SweepSpan::Recent { since: now - RECENT, until } };
        let agents: Vec<&str> = self.routes.agents().collect();
        let behind = self.store.sessions_behind(&agents, span).await?;
        metrics::gauge!("cdc.sessions_behind").set(u32::try_from(behind.len()).unwrap_or(u32::MAX));
        let due = self.pacer.due(behind);
        let woken = due.len();
        for (agent, queue_url) in self.routes.iter() {
            let envelopes: Vec<_> = due
                .iter()
                .filter(|behind| behind.agent == agent)
                .map(|behind| wake_up(behind, now))
                .collect();
            if !envelopes.is_empty() {
                self.publisher.publish(queue_url, &envelopes).await?;
            }
        }
        metrics::counter!("cdc.swept_wake_ups").increment(u64::try_from(woken).unwrap_or(u64::MAX));
        Ok(woken)
    }
}

fn wake_up(behind: &Behind, now: Timestamp) -> Envelope {
    let (tenant, session, version) = (behind.tenant.clone(), behind.session, behind.version);
    Envelope::first(WakeUp::Session { tenant, session, version }, now)
}

/// Wakes a session that stays behind after growing pauses, so that a backlog is not sent again at every sweep.
#[derive(Debug, Default)]
struct Pacer(HashMap<(String, SessionId), Pause>);

#[derive(Debug, Clone, Copy)]
struct Pause {
    left: u32,
    length: u32,
}

impl Pacer {
    /// Those to be woken now; whoever is no longer behind is forgotten.
    fn due(&mut self, behind: Vec<Behind>) -> Vec<Behind> {
        let mut before = std::mem::take(&mut self.0);
        let is_due = |one: &Behind| {
            let key = (one.agent.clone(), one.session);
            let pause = before.remove(&key);
            let (due, next) = match pause {
                None => (true, Pause { left: 1, length: 1 }),
                Some(Pause { left: 0, length }) => {
                    let length = (length * 2).min(LONGEST_PAUSE);
                    (true, Pause { left: length, length })
                }
                Some(pause) => (false, Pause { left: pause.left - 1, ..pause }),
            };
            self.0.insert(key, next);
            due
        };
        behind.into_iter().filter(is_due).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::TenantId;
    use uuid::Uuid;

    use super::*;

    fn behind(agent: &str, session: u128) -> Behind {
        let tenant = TenantId::new("acme").unwrap();
        Behind { agent: agent.to_owned(), tenant, session: SessionId(Uuid::from_u128(session)), version: 3 }
    }

    #[test]
    fn a_session_that_stays_behind_is_woken_after_growing_pauses() {
        let mut pacer = Pacer::default();
        let woken: Vec<usize> =
            (0..60).filter(|_| !pacer.due(vec![behind("indexer", 1)]).is_empty()).collect();
        assert_eq!(woken, [0, 2, 5, 10, 19, 36, 53]);
    }

    #[test]
    fn a_session_that_caught_up_and_fell_behind_again_is_woken_at_once() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.due(vec![behind("indexer", 1), behind("summarizer", 1)]).len(), 2);
        assert_eq!(pacer.due(vec![behind("summarizer", 1)]).len(), 0);
        assert_eq!(pacer.due(vec![behind("indexer", 1)]), [behind("indexer", 1)]);
        assert_eq!(pacer.0.len(), 1);
    }
}
