//! Beginning: what is to be thought about, and the lease and the slot that are taken for it and given back.

use std::time::Duration;

use domain::SessionId;
use hot::{Lease, Leased};
use jiff::Timestamp;
use store::Claim;

use super::Drive;
use crate::agent::Agent;
use crate::flow::{Happened, Seen};
use crate::process::Failed;

/// A lease and a slot end with the invocation, which no run outlives; this is the least they are taken for.
const SHORTEST_LEASE: Duration = Duration::from_secs(10);

impl<A: Agent> Drive<'_, A> {
    pub(super) async fn claim(&mut self) -> Result<Happened, Failed> {
        let spec = self.agent.spec();
        self.thoughts = None;
        self.started_at = (self.services.now)();
        let claim = Claim {
            agent: spec.name,
            tenant: self.tenant,
            session: self.session,
            limit: spec.window_limit,
            context: spec.context,
            waits_for: spec.waits_for.map(|wait| wait.agent),
            redrives: self.redrives,
            recalled: !self.agent.sees_recalled(),
        };
        self.claimed = self.services.store.claim(&claim).await?;
        let Some(claimed) = &self.claimed else { return Ok(Happened::Claimed(None)) };
        self.limits = self.services.config.limits.of_tenant(&claimed.settings);
        self.thinking = self.services.models.of_tenant(&claimed.settings);
        let window = &claimed.window;
        let accepted = window
            .events
            .first()
            .zip(window.events.last())
            .map_or((self.started_at, self.started_at), |(oldest, newest)| {
                (oldest.created_at, newest.created_at)
            });
        Ok(Happened::Claimed(Some(Seen {
            after: window.after,
            through: window.through(),
            head: window.head,
            accepted,
            awaited: claimed.awaited,
            held: claimed.held,
            concurrency: self.limits.concurrency,
        })))
    }

    pub(super) async fn lease(&mut self, after: i64, through: i64) -> Result<Happened, Failed> {
        let (hot, now) = (&self.services.hot, (self.services.now)());
        let leased = if let Some(lease) = &self.lease {
            hot.renew_lease(lease, after, through, self.term(now), now).await?
        } else {
            let name = self.agent.spec().name;
            // A redrive is leased under its run, which no session has as its identifier: it never meets the session's own
            // windows.
            let subject = self.redrives.map_or(self.session, SessionId);
            hot.acquire_lease(name, subject, self.holder, after, through, self.term(now), now).await?
        };
        Ok(match leased {
            Leased::Taken(lease) => {
                let happened = Happened::Leased { tries: lease.tries, through: lease.through };
                self.lease = Some(lease);
                happened
            }
            Leased::Held { until } => {
                self.lease = None;
                Happened::NotLeased { until }
            }
        })
    }

    /// How long a lease is taken for.
    fn term(&self, now: Timestamp) -> Duration {
        lease_term(self.ends_at, now)
    }

    pub(super) async fn slot(&mut self, limit: u32) -> Result<Happened, Failed> {
        let name = self.agent.spec().name;
        let now = (self.services.now)();
        let slot = self
            .services
            .hot
            .acquire_slot(name, self.tenant, limit, self.holder, self.term(now), now)
            .await?;
        let free = slot.is_some();
        self.slot = slot;
        Ok(Happened::Slot(free))
    }

    /// What cannot be given back ends by itself.
    pub(super) async fn give_back(&mut self, keep: Option<(u32, i64)>) {
        let hot = &self.services.hot;
        let lease = async {
            let Some(lease) = self.lease.take() else { return Ok(()) };
            match keep {
                None => hot.release_lease(&lease).await,
                Some((tries, through)) => hot.yield_lease(&Lease { tries, through, ..lease }).await,
            }
        };
        let slot = async {
            let Some(slot) = self.slot.take() else { return Ok(()) };
            hot.release_slot(&slot).await
        };
        let (lease, slot) = futures::join!(lease, slot);
        if let Err(error) = lease.and(slot) {
            tracing::warn!(%error, "a lease or a slot was not given back");
        }
    }
}

/// How long a lease is taken for in an invocation that ends then.
pub(crate) fn lease_term(ends_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(ends_at.duration_since(now)).unwrap_or_default().max(SHORTEST_LEASE)
}
