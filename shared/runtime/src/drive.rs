//! One wake-up from its arrival to its end: the flow says what to do next, and here it is done.

mod admission;
mod keeping;
mod putting_off;
mod thinking;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use domain::{Envelope, SessionId, TenantId, WakeUp};
use hot::{Lease, Slot};
use jiff::Timestamp;
use store::Claimed;
use uuid::Uuid;

use crate::agent::{Agent, Thoughts};
use crate::config::Limits;
use crate::flow::{Do, Ended, Flow, Happened, Terms};
use crate::hooks::{Hooks, Measured, RunInfo, Waits};
use crate::models::Thinking;
use crate::process::{Failed, Invocation};
use crate::services::Services;

pub(crate) use self::admission::lease_term;
pub(crate) use self::putting_off::back_off;
pub(crate) use self::thinking::caught;

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
    thinking: Thinking,
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
            thinking: Thinking::default(),
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
