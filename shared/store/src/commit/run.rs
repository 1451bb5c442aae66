//! What is recorded of a run: its row, and a ledger of what became of every thought.

use domain::{Closing, Dropped, MemoryType, Outcome, Reconciled, Window};
use futures::try_join;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Effects, Writes};
use crate::Error;
use crate::connect::Transaction;

/// What is recorded of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// Its identifier, made by the caller.
    pub id: Uuid,
    /// The agent.
    pub agent: &'static str,
    /// The model that thought, with the version of its rules or prompt.
    pub model: String,
    /// Tokens read by the model, 0 for the built-in one.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
    /// How often the wake-up had been put off.
    pub deferrals: u32,
    /// When the wake-up was first sent.
    pub first_sent_at: Timestamp,
    /// When this run began.
    pub started_at: Timestamp,
    /// Whether it had everything it wanted.
    pub outcome: RunOutcome,
    /// Why it is degraded; kept to 500 characters.
    pub reason: Option<String>,
    /// The quarantined run whose window it thought about again.
    pub redrives: Option<Uuid>,
}

/// How a run that committed went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RunOutcome {
    /// With everything it wanted.
    #[default]
    Done,
    /// Without something it wanted; the reason says without what.
    Degraded,
}

impl RunOutcome {
    /// The name stored in `agent_runs.outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Degraded => "degraded",
        }
    }
}

pub(crate) async fn write_run(
    transaction: &Transaction,
    writes: &Writes,
    window: &Window,
    run: &Run,
    effects: &Effects,
    reconciled: &Reconciled,
) -> Result<(), Error> {
    let id = run.id;
    let tenant = window.tenant.as_str();
    let tokens = (stored_count(run.input_tokens), stored_count(run.output_tokens));
    let deferrals = stored_deferrals(run.deferrals);
    let reason = run.reason.as_deref().map(stored_error);
    let ledger = Lines::of(effects, reconciled);
    try_join!(
        async {
            transaction
                .execute(
                    &writes.run,
                    &[
                        &id,
                        &tenant,
                        &run.agent,
                        &window.session.0,
                        &window.after,
                        &window.through(),
                        &run.model,
                        &tokens.0,
                        &tokens.1,
                        &deferrals,
                        &run.first_sent_at,
                        &run.started_at,
                        &run.outcome.as_str(),
                        &reason,
                        &run.redrives,
                    ],
                )
                .await
        },
        async {
            if ledger.outcomes.is_empty() {
                return Ok(0);
            }
            transaction
                .execute(
                    &writes.ledger,
                    &[
                        &id, &tenant, &window.session.0, &run.agent, &ledger.outcomes, &ledger.kinds,
                        &ledger.memories, &ledger.reasons, &ledger.evidence,
                    ],
                )
                .await
        },
    )?;
    Ok(())
}

/// The ledger as the arrays that the bulk statement takes: a line per thought, per memory that was closed, and per event
/// that only repeats what recall handed out.
#[derive(Default)]
struct Lines {
    outcomes: Vec<&'static str>,
    kinds: Vec<Option<&'static str>>,
    memories: Vec<Option<Uuid>>,
    reasons: Vec<Option<&'static str>>,
    evidence: Vec<String>,
}

impl Lines {
    fn of(effects: &Effects, reconciled: &Reconciled) -> Self {
        let mut lines = Self::default();
        for entry in &reconciled.ledger {
            let (memory, reason) = (entry.memory.map(|id| id.0), entry.reason.map(Dropped::as_str));
            lines.push(entry.outcome.as_str(), Some(entry.kind), memory, reason, &entry.evidence);
        }
        for Closing { memory, kind, reason, .. } in &effects.closings {
            lines.push("closed", Some(*kind), Some(memory.0), Some(reason.as_str()), &[]);
        }
        for version in &effects.recalled {
            let (dropped, reason) = (Outcome::Dropped.as_str(), Dropped::Recalled.as_str());
            lines.push(dropped, None, None, Some(reason), &[*version]);
        }
        lines
    }

    fn push(
        &mut self,
        outcome: &'static str,
        kind: Option<MemoryType>,
        memory: Option<Uuid>,
        reason: Option<&'static str>,
        evidence: &[i64],
    ) {
        self.outcomes.push(outcome);
        self.kinds.push(kind.map(MemoryType::as_str));
        self.memories.push(memory);
        self.reasons.push(reason);
        self.evidence.push(array_literal(evidence));
    }
}

pub(crate) fn stored_count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

pub(crate) fn stored_deferrals(deferrals: u32) -> i32 {
    i32::try_from(deferrals).unwrap_or(i32::MAX)
}

/// An error as it is kept: at most 500 characters, without those that Postgres cannot hold.
pub(crate) fn stored_error(error: &str) -> String {
    error.chars().take(500).map(|character| if character == '\0' { '\u{fffd}' } else { character }).collect()
}

/// A one-dimensional bigint array in Postgres's text format.
fn array_literal(versions: &[i64]) -> String {
    let listed: Vec<String> = versions.iter().map(i64::to_string).collect();
    format!("{{{}}}", listed.join(","))
}
