use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use domain::{Envelope, Memory, SessionId, TenantId, WakeUp};
use futures::FutureExt;
use hot::{Lease, Leased, Slot};
use jiff::Timestamp;
use store::{Claim, Claimed, Committed, ContextQuery, Effects, Hold, HoldReason, Run, RunOutcome};
use uuid::Uuid;

use crate::agent::{Agent, Context, ThinkError, Thoughts};
use crate::ask::Asking;
use crate::config::Limits;
use crate::flow::{Degraded, Delay, Do, Ended, Fault, Flow, Happened, Poison, Seen, Sleep, Terms};
use crate::hooks::{Hooks, Kept, Measured, RunInfo, Waits};
use crate::process::{Failed, Invocation, own_queue};
use crate::services::Services;

/// A lease and a slot end with the invocation, which no run outlives; this is the least they are taken for.
const SHORTEST_LEASE: Duration = Duration::from_secs(10);
/// What an invocation keeps for giving back its leases and answering.
const LEFT_FOR_ANSWERING: Duration = Duration::from_secs(3);
/// The least time to think, when the invocation is about over or its end is not to be believed.
const SHORTEST_THINK: Duration = Duration::from_secs(2);
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

/// One wake-up of a session, or of a window that was set aside, and what is at hand for it.
pub(crate) struct Drive<'a, A> {
    services: &'a Services,
    agent: &'a A,
    envelope: &'a Envelope,
    tenant: &'a TenantId,
    session: SessionId,
    redrives: Option<Uuid>,
    /// Whether this is the last session of its user to be thought about.
    ends_user: bool,
    holder: Uuid,
    limits: Limits,
    claimed: Option<Claimed>,
    lease: Option<Lease>,
    slot: Option<Slot>,
    thoughts: Option<Thoughts>,
    /// Events of the window that only repeat what recall handed out.
    recalled: BTreeSet<i64>,
    started_at: Timestamp,
    ends_at: Timestamp,
    error: Option<Failed>,
    put_off: Option<Waits>,
}

impl<'a, A: Agent> Drive<'a, A> {
    /// Nothing has been done yet.
    pub(crate) fn new(
        services: &'a Services,
        agent: &'a A,
        envelope: &'a Envelope,
        (tenant, session, redrives): (&'a TenantId, SessionId, Option<Uuid>),
    ) -> Self {
        Self {
            services,
            agent,
            envelope,
            tenant,
            session,
            redrives,
            ends_user: true,
            holder: Uuid::now_v7(),
            limits: services.config.limits,
            claimed: None,
            lease: None,
            slot: None,
            thoughts: None,
            recalled: BTreeSet::new(),
            started_at: (services.now)(),
            ends_at: Timestamp::MAX,
            error: None,
            put_off: None,
        }
    }

    /// One of several sessions of a user, and whether it is the last.
    pub(crate) const fn within_user(mut self, is_last: bool) -> Self {
        self.ends_user = is_last;
        self
    }

    /// Does what the flow says until it ends.
    pub(crate) async fn run(mut self, receives: u32, invocation: &Invocation) -> Ended {
        self.ends_at = invocation.ends_at;
        let spec = self.agent.spec();
        let version = match &self.envelope.wake_up {
            WakeUp::Session { version, .. } => Some(*version),
            _ => None,
        };
        let (mut flow, mut next) = Flow::begin(Terms {
            debounce: spec.debounce,
            wait: spec.waits_for.map(|wait| wait.timeout),
            version,
            deferrals: self.envelope.deferrals,
            receives,
            begin_until: invocation.begin_until,
        });
        loop {
            let happened = match next {
                Do::End(ended) => return self.end(ended),
                other => self.carry_out(other).await,
            };
            next = flow.next(happened, (self.services.now)());
        }
    }

    async fn carry_out(&mut self, what: Do) -> Happened {
        let outcome = match what {
            Do::Claim => self.claim().await,
            Do::Lease { after, through } => self.lease(after, through).await,
            Do::Slot { limit } => self.slot(limit).await,
            Do::Think { through, built_in_only } => Ok(self.think(through, built_in_only).await),
            Do::Commit { through, degraded } => return self.commit(through, degraded).await,
            Do::Quarantine { through, poison } => self.quarantine(through, poison).await,
            Do::Release => {
                self.give_back(None).await;
                Ok(Happened::Done)
            }
            Do::Yield { tries, through } => {
                self.give_back(Some((tries, through))).await;
                Ok(Happened::Done)
            }
            Do::SendRest { version } => self.send_rest(version).await,
            Do::Defer { delay, version } => self.defer(delay, version).await,
            Do::Hold { until, sleep } => self.hold(until, sleep).await,
            Do::End(_) => Ok(Happened::Done),
        };
        outcome.unwrap_or_else(|error| {
            self.error = Some(error);
            Happened::Unreachable
        })
    }

    async fn claim(&mut self) -> Result<Happened, Failed> {
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

    async fn lease(&mut self, after: i64, through: i64) -> Result<Happened, Failed> {
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

    async fn slot(&mut self, limit: u32) -> Result<Happened, Failed> {
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

    async fn think(&mut self, through: i64, built_in_only: bool) -> Happened {
        let Some(claimed) = &self.claimed else { return Happened::Unreachable };
        let window = claimed.window.clone().cut(through);
        let asking = Asking {
            hot: self.services.hot.clone(),
            store: self.services.store.clone(),
            agent: self.agent.spec().name,
            tenant: self.tenant.clone(),
            session: self.session,
            after: window.after,
            through,
            resumed: self.lease.as_ref().is_some_and(|lease| lease.tries > 1),
            limits: self.limits,
            price: self.services.config.price,
            now: self.services.now,
        };
        let context = Context {
            known: claimed.known.clone(),
            now: self.started_at,
            built_in_only,
            redrives: self.redrives.is_some(),
            ends_user: self.ends_user && window.through() >= window.head,
            asking: Some(asking),
        };
        self.tell(through, |hooks, run| hooks.on_start(run));
        // Better to give up in time than to be killed with the whole batch.
        let left = Duration::try_from(self.ends_at.duration_since((self.services.now)())).unwrap_or_default();
        let left = left.saturating_sub(LEFT_FOR_ANSWERING).max(SHORTEST_THINK);
        let (window, recalled) = window.without_recalled(&claimed.recalled);
        self.recalled = recalled;
        let thinking = tokio::time::timeout(left, caught(self.agent.think(&window, &context)));
        let Ok(thought) = thinking.await else {
            return self.fail(through, Fault::Outside, Failed::OutOfTime { seconds: left.as_secs() });
        };
        match thought {
            Some(Ok(thoughts)) => {
                self.thoughts = Some(thoughts);
                Happened::Thought
            }
            Some(Err(error)) => {
                let fault = error.fault();
                self.fail(through, fault, Failed::Think(error))
            }
            None => self.fail(through, Fault::Window, Failed::Panicked),
        }
    }

    fn fail(&mut self, through: i64, fault: Fault, error: Failed) -> Happened {
        if matches!(fault, Fault::Outside | Fault::Window | Fault::WindowForGood) {
            let text = error.to_string();
            self.tell(through, |hooks, run| hooks.on_failure(run, &text, false));
        }
        self.error = Some(error);
        Happened::Failed(fault)
    }

    async fn commit(&mut self, through: i64, degraded: Option<Degraded>) -> Happened {
        let (Some(claimed), Some(thoughts)) = (&self.claimed, self.thoughts.take()) else {
            return Happened::Unreachable;
        };
        let window = claimed.window.clone().cut(through);
        let usage = thoughts.usage;
        let mut run = self.record(usage.clone());
        if let Some(degraded) = degraded {
            run.outcome = RunOutcome::Degraded;
            run.reason = Some(degraded.as_str().to_owned());
        }
        let seen_all = |query: &&ContextQuery| {
            let is_of = |memory: &&Memory| memory.kind == query.kind && memory.scope == query.scope;
            claimed.known.iter().filter(is_of).count() < usize::from(query.limit)
        };
        let context = self.agent.spec().context.iter();
        let effects = Effects {
            thoughts: thoughts.thoughts,
            closings: thoughts.closings,
            recalled: std::mem::take(&mut self.recalled),
            indexed: thoughts.indexed,
            sources: thoughts.sources,
            seen: claimed.known.clone(),
            seen_all: context.filter(seen_all).map(|query| (query.scope, query.kind)).collect(),
        };
        match self.services.store.commit(&window, &effects, &run).await {
            Ok(Committed::Done(reconciled)) => {
                let kept = Kept {
                    window: &window,
                    reconciled: &reconciled,
                    degraded: degraded.map(Degraded::as_str),
                    usage: &usage,
                    cost: self.services.config.price.map(|price| price.cost(&usage)),
                    time: (self.started_at, (self.services.now)()),
                };
                self.tell(through, |hooks, run| hooks.on_success(run, &kept));
                Happened::Committed(true)
            }
            Ok(Committed::LostRace) => Happened::Committed(false),
            // Postgres read it and will not have it: what was thought cannot be stored.
            Err(error) if error.is_refusal() => self.fail(through, Fault::Window, Failed::Store(error)),
            Err(error) => {
                self.error = Some(Failed::Store(error));
                Happened::Unreachable
            }
        }
    }

    /// The dead letter goes first: lost with a crash in between it would be told by nobody, sent twice it redrives a window
    /// that is not set aside, which comes to nothing.
    async fn quarantine(&mut self, through: i64, poison: Poison) -> Result<Happened, Failed> {
        let Some(claimed) = &self.claimed else { return Ok(Happened::Unreachable) };
        let window = claimed.window.clone().cut(through);
        let error = match poison {
            Poison::Deadly { tries } => format!("the process died {tries} times while thinking about it"),
            Poison::Failed => self.error.as_ref().map_or_else(|| "it failed".to_owned(), ToString::to_string),
        };
        let mut run = self.record(model::Usage { model: "none".to_owned(), ..model::Usage::default() });
        if let Some(quarantined) = self.redrives {
            run.id = quarantined;
        }
        let letter = WakeUp::Window {
            tenant: self.tenant.clone(),
            session: self.session,
            run: run.id,
            after: window.after,
            through,
        };
        let name = self.agent.spec().name;
        let letters =
            self.services.config.routes.dead_letters(name).ok_or(Failed::NoRoute { agent: name })?;
        let letter = Envelope::first(letter, (self.services.now)());
        self.services.publisher.publish(&letters, &[letter]).await?;
        let moved = self.services.store.quarantine(&window, &run, &error).await?;
        if moved {
            self.tell(through, |hooks, run| hooks.on_failure(run, &error, true));
            self.error = None;
        }
        Ok(Happened::Committed(moved))
    }

    /// What cannot be given back ends by itself.
    async fn give_back(&mut self, keep: Option<(u32, i64)>) {
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

    async fn send_rest(&mut self, version: i64) -> Result<Happened, Failed> {
        let rest = WakeUp::Session { tenant: self.tenant.clone(), session: self.session, version };
        let envelope = Envelope::first(rest, (self.services.now)());
        self.services.publisher.publish(self.queue()?, &[envelope]).await?;
        Ok(Happened::Done)
    }

    async fn defer(&mut self, delay: Delay, version: Option<i64>) -> Result<Happened, Failed> {
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

    async fn hold(&mut self, until: Timestamp, sleep: Sleep) -> Result<Happened, Failed> {
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

    /// What is recorded of the run at hand.
    fn record(&self, usage: model::Usage) -> Run {
        Run {
            id: Uuid::now_v7(),
            agent: self.agent.spec().name,
            model: usage.model,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            deferrals: self.envelope.deferrals,
            first_sent_at: self.envelope.first_sent_at,
            started_at: self.started_at,
            outcome: RunOutcome::Done,
            reason: None,
            redrives: self.redrives,
        }
    }

    fn queue(&self) -> Result<&'a str, Failed> {
        own_queue(self.services, self.agent.spec())
    }

    /// Tells metrics, the log and the agent's own hooks.
    fn tell(&self, through: i64, what: impl Fn(&dyn Hooks, &RunInfo<'_>)) {
        self.tell_hooks(|hooks| what(hooks, &self.run_info(through)));
    }

    fn run_info(&self, through: i64) -> RunInfo<'_> {
        RunInfo {
            agent: self.agent.spec().name,
            tenant: self.tenant,
            session: self.session,
            after: self.claimed.as_ref().map_or(0, |claimed| claimed.window.after),
            through,
            tries: self.lease.as_ref().map_or(1, |lease| lease.tries),
        }
    }

    /// A hook that panics is told nothing more about this, and changes nothing.
    fn tell_hooks(&self, what: impl Fn(&dyn Hooks)) {
        what(&Measured);
        if std::panic::catch_unwind(AssertUnwindSafe(|| what(self.agent.hooks()))).is_err() {
            tracing::error!(agent = self.agent.spec().name, "a hook of the agent panicked");
        }
    }

    fn end(self, ended: Ended) -> Ended {
        let waits = match ended {
            Ended::Deferred | Ended::Asleep => self.put_off,
            Ended::Waiting => Some(Waits::ForAgent),
            Ended::Held => Some(Waits::Held),
            _ => None,
        };
        if let Some(waits) = waits {
            self.tell_hooks(|hooks| hooks.on_wait(self.agent.spec().name, self.session, &waits));
        }
        match (&self.error, ended) {
            (Some(error), Ended::Retry { attempt }) => {
                tracing::error!(%error, attempt, "wake-up failed, to be delivered again");
            }
            (Some(error), Ended::Deferred) => tracing::warn!(%error, "wake-up failed, sent again"),
            _ => tracing::debug!(outcome = ended.as_str(), "wake-up done"),
        }
        ended
    }
}

/// How long a lease is taken for in an invocation that ends then.
pub(crate) fn lease_term(ends_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(ends_at.duration_since(now)).unwrap_or_default().max(SHORTEST_LEASE)
}

/// `None` when the work panicked. What it held is dropped; nothing it half did was committed.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

impl From<ThinkError> for Failed {
    fn from(error: ThinkError) -> Self {
        Self::Think(error)
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
