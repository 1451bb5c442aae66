//! Thinking about a window, and failing at it: in time, and without taking others along.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;

use super::Drive;
use crate::agent::{Agent, Context, ThinkError};
use crate::ask::Asking;
use crate::flow::{Fault, Happened};
use crate::models::Thinking;
use crate::process::Failed;

/// What an invocation keeps for giving back its leases and answering.
const LEFT_FOR_ANSWERING: Duration = Duration::from_secs(3);

/// The least time to think, when the invocation is about over or its end is not to be believed.
const SHORTEST_THINK: Duration = Duration::from_secs(2);

impl<A: Agent> Drive<'_, A> {
    pub(super) async fn think(&mut self, through: i64, built_in_only: bool) -> Happened {
        let Some(claimed) = &self.claimed else { return Happened::Unreachable };
        let window = claimed.window.clone().cut(through);
        let asking = Asking {
            hot: self.services.hot.for_tenant(&claimed.settings.lifetimes),
            store: self.services.store.clone(),
            agent: self.agent.spec().name,
            tenant: self.tenant.clone(),
            session: self.session,
            after: window.after,
            through,
            resumed: self.lease.as_ref().is_some_and(|lease| lease.tries > 1),
            limits: self.limits,
            price: self.thinking.price(self.services.config.price),
            thinking: self.thinking.clone(),
            now: self.services.now,
        };
        let context = Context {
            known: claimed.known.clone(),
            now: self.started_at,
            built_in_only: built_in_only || matches!(self.thinking, Thinking::BuiltIn),
            lifetimes: claimed.settings.lifetimes,
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

    pub(super) fn fail(&mut self, through: i64, fault: Fault, error: Failed) -> Happened {
        if matches!(fault, Fault::Outside | Fault::Window | Fault::WindowForGood) {
            let text = error.to_string();
            self.tell(through, |hooks, run| hooks.on_failure(run, &text, false));
        }
        self.error = Some(error);
        Happened::Failed(fault)
    }
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
