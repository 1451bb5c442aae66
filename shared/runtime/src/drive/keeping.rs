//! What is kept in the end: what was thought, or that the window is set aside.

use domain::{Envelope, Memory, WakeUp};
use store::{Committed, ContextQuery, Effects, Run, RunOutcome};
use uuid::Uuid;

use super::Drive;
use crate::agent::Agent;
use crate::flow::{Degraded, Fault, Happened, Poison};
use crate::hooks::Kept;
use crate::process::Failed;

impl<A: Agent> Drive<'_, A> {
    pub(super) async fn commit(&mut self, through: i64, degraded: Option<Degraded>) -> Happened {
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
                    cost: self.thinking.price(self.services.config.price).map(|price| price.cost(&usage)),
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
    pub(super) async fn quarantine(&mut self, through: i64, poison: Poison) -> Result<Happened, Failed> {
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
}
