use domain::{
    Change, Known, Memory, MemoryType, OnConflict, Reconciled, ReviewPolicy, ReviewReason, Scope, Thought,
    Window, reconcile,
};
use futures::try_join;
use jiff::Timestamp;
use pgvector::HalfVector;
use tokio_postgres::Statement;
use uuid::Uuid;

use crate::connect::Transaction;
use crate::known::{Reads, Subjects};
use crate::{Error, IndexedEvent, Store};

/// How often a commit starts over when another session's commit touched the same memories first.
pub(crate) const MOST_CONFLICTS: u32 = 8;

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

/// What a window's thinking is to change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// What is proposed to be remembered.
    pub thoughts: Vec<Thought>,
    /// What recall can find events by.
    pub indexed: Vec<IndexedEvent>,
    /// The memories the agent saw: what a thought that replaces one was made from.
    pub seen: Vec<Memory>,
    /// Of which scope and type the agent saw every memory there was.
    pub seen_all: Vec<(Scope, MemoryType)>,
}

impl Effects {
    /// Whether a thought replaces a memory that is not the one the agent saw: a redrive, a review or another session was
    /// first. What it would replace then was never taken into account.
    fn are_stale(&self, current: &[Memory]) -> bool {
        let under = |memories: &[Memory], thought: &Thought| {
            let mut found = memories.iter().filter(|memory| {
                memory.scope == thought.scope && memory.kind == thought.kind && memory.key == thought.key
            });
            found.next().map(|memory| (memory.id, memory.content.clone(), memory.data.clone()))
        };
        self.thoughts.iter().filter(|thought| thought.on_conflict != OnConflict::Merge).any(|thought| match (
            under(current, thought),
            under(&self.seen, thought),
        ) {
            (Some(_), None) => self.seen_all.contains(&(thought.scope, thought.kind)),
            (current, seen) => current != seen,
        })
    }
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Everything was kept and the cursor moved.
    Done(Reconciled),
    /// Another run had moved the cursor, or changed what this one's thoughts replace; nothing was kept.
    LostRace,
}

impl Store {
    /// Keeps what came of a window and moves the agent's cursor to its end, in one transaction of two round trips.
    ///
    /// The cursor moves by compare-and-set on where the window began and its generation, so of any number of runs over
    /// the same window exactly one has an effect. A run that redrives a quarantined one leaves the cursor alone: it
    /// closes that run, by compare-and-set too.
    /// Two sessions of a user that learn the same thing at once meet at the unique index; the later starts over and
    /// merges into what the earlier stored.
    pub async fn commit(&self, window: &Window, effects: &Effects, run: &Run) -> Result<Committed, Error> {
        let mut conflicts = 0;
        loop {
            match self.commit_once(window, effects, run).await {
                Err(error) if error.is_conflict() && conflicts < MOST_CONFLICTS => conflicts += 1,
                other => return other,
            }
        }
    }

    async fn commit_once(&self, window: &Window, effects: &Effects, run: &Run) -> Result<Committed, Error> {
        let transaction = self.transaction(&window.tenant).await?;
        let writes = Writes::prepare(&transaction).await?;
        let subjects = Subjects::of(window, &effects.thoughts);
        let Some((known, policy)) = begin_and_lock(&transaction, window, &subjects, run).await? else {
            return Ok(Committed::LostRace);
        };
        if effects.are_stale(&known.current) {
            return Ok(Committed::LostRace);
        }
        let reconciled = reconcile(run.agent, window, &known, &policy, effects.thoughts.clone());
        try_join!(
            write_memories(&transaction, &writes, window, run, &reconciled.changes),
            async {
                if reconciled.changes.iter().all(|change| change.updates) {
                    return Ok(());
                }
                subjects.check_refusals(&transaction, &writes.check, known.refusals.len()).await
            },
            write_index(&transaction, &writes, window, &effects.indexed),
            write_run(&transaction, &writes, window, run, &reconciled),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Committed::Done(reconciled))
    }
}

/// Opens the transaction, moves the cursor or closes the quarantined run, and locks the memories the thoughts are
/// about. `None` when another run was first.
async fn begin_and_lock(
    transaction: &Transaction,
    window: &Window,
    subjects: &Subjects<'_>,
    run: &Run,
) -> Result<Option<(Known, ReviewPolicy)>, Error> {
    let (advance, reads) = try_join!(
        transaction.prepare(match run.redrives {
            None => include_str!("../queries/advance_cursor.sql"),
            Some(_) => include_str!("../queries/close_quarantined.sql"),
        }),
        Reads::prepare(transaction),
    )?;
    let ((), moved, known) = try_join!(
        transaction.begin(),
        async {
            let (session, tenant, through) = (window.session.0, window.tenant.as_str(), window.through());
            match run.redrives {
                None => {
                    let generation = window.generation;
                    transaction
                        .query(
                            &advance,
                            &[&session, &run.agent, &tenant, &window.after, &through, &generation],
                        )
                        .await
                }
                Some(quarantined) => {
                    transaction
                        .query(
                            &advance,
                            &[&quarantined, &run.id, &session, &run.agent, &window.after, &through],
                        )
                        .await
                }
            }
        },
        subjects.read_known(transaction, &reads),
    )?;
    Ok((!moved.is_empty()).then_some(known))
}

/// What a commit writes with, prepared before the transaction begins. Nothing may wait between the writes: what is sent
/// after the commit they share a round trip with would not be part of the transaction.
struct Writes {
    close: Statement,
    insert: Statement,
    update: Statement,
    evidence: Statement,
    inherit: Statement,
    index: Statement,
    run: Statement,
    ledger: Statement,
    check: Statement,
}

impl Writes {
    async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (close, insert, update, evidence, inherit, index, run, ledger, check) = try_join!(
            transaction.prepare(include_str!("../queries/close_memories.sql")),
            transaction.prepare(include_str!("../queries/insert_memories.sql")),
            transaction.prepare(include_str!("../queries/update_memories.sql")),
            transaction.prepare(include_str!("../queries/insert_evidence.sql")),
            transaction.prepare(include_str!("../queries/inherit_evidence.sql")),
            transaction.prepare(include_str!("../queries/insert_event_index.sql")),
            transaction.prepare(include_str!("../queries/insert_run.sql")),
            transaction.prepare(include_str!("../queries/insert_ledger.sql")),
            transaction.prepare(include_str!("../queries/check_refusals.sql")),
        )?;
        Ok(Self { close, insert, update, evidence, inherit, index, run, ledger, check })
    }
}

async fn write_memories(
    transaction: &Transaction,
    writes: &Writes,
    window: &Window,
    run: &Run,
    changes: &[Change],
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let closing: Vec<(Uuid, &Change)> =
        changes.iter().filter_map(|change| Some((change.supersedes?.0, change))).collect();
    let closed: Vec<Uuid> = closing.iter().map(|(closed, _)| *closed).collect();
    let closed_by: Vec<Uuid> = closing.iter().map(|(_, change)| change.memory.id.0).collect();
    let closed_since: Vec<Timestamp> = closing.iter().map(|(_, change)| change.memory.valid_from).collect();

    let fresh = Columns::of(changes.iter().filter(|change| !change.updates));
    let seen = Columns::of(changes.iter().filter(|change| change.updates));

    let pairs: Vec<(Uuid, i64)> = changes
        .iter()
        .flat_map(|change| change.evidence.iter().map(|version| (change.memory.id.0, *version)))
        .collect();
    let pair_memories: Vec<Uuid> = pairs.iter().map(|(memory, _)| *memory).collect();
    let pair_versions: Vec<i64> = pairs.iter().map(|(_, version)| *version).collect();

    let heirs: Vec<(Uuid, Uuid)> = changes
        .iter()
        .filter(|change| change.inherits_evidence)
        .filter_map(|change| Some((change.supersedes?.0, change.memory.id.0)))
        .collect();
    let ancestors: Vec<Uuid> = heirs.iter().map(|(ancestor, _)| *ancestor).collect();
    let heirs: Vec<Uuid> = heirs.into_iter().map(|(_, heir)| heir).collect();

    let tenant = window.tenant.as_str();
    try_join!(
        async {
            if closed.is_empty() {
                return Ok(0);
            }
            transaction.execute(&writes.close, &[&closed, &closed_by, &closed_since]).await
        },
        async {
            if fresh.ids.is_empty() {
                return Ok(0);
            }
            transaction
                .execute(
                    &writes.insert,
                    &[
                        &tenant,
                        &window.user.as_str(),
                        &window.session.0,
                        &run.agent,
                        &run.model,
                        &fresh.ids,
                        &fresh.scopes,
                        &fresh.kinds,
                        &fresh.keys,
                        &fresh.contents,
                        &fresh.data,
                        &fresh.confidences,
                        &fresh.valid_from,
                        &fresh.on_conflicts,
                        &fresh.review_reasons,
                    ],
                )
                .await
        },
        async {
            if seen.ids.is_empty() {
                return Ok(0);
            }
            transaction
                .execute(
                    &writes.update,
                    &[
                        &seen.ids,
                        &seen.contents,
                        &seen.data,
                        &seen.confidences,
                        &seen.valid_from,
                        &seen.on_conflicts,
                        &seen.review_reasons,
                    ],
                )
                .await
        },
        async {
            transaction
                .execute(&writes.evidence, &[&tenant, &window.session.0, &pair_memories, &pair_versions])
                .await
        },
        async {
            if heirs.is_empty() {
                return Ok(0);
            }
            transaction.execute(&writes.inherit, &[&ancestors, &heirs]).await
        },
    )?;
    Ok(())
}

/// Memories as the arrays that bulk statements take.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    scopes: Vec<&'a str>,
    kinds: Vec<&'a str>,
    keys: Vec<&'a str>,
    contents: Vec<&'a str>,
    data: Vec<&'a serde_json::Value>,
    confidences: Vec<f32>,
    valid_from: Vec<Timestamp>,
    on_conflicts: Vec<Option<&'a str>>,
    review_reasons: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut columns = Self::default();
        for Change { memory, review, .. } in changes {
            columns.ids.push(memory.id.0);
            columns.scopes.push(memory.scope.as_str());
            columns.kinds.push(memory.kind.as_str());
            columns.keys.push(&memory.key);
            columns.contents.push(&memory.content);
            columns.data.push(&memory.data);
            columns.confidences.push(memory.confidence);
            columns.valid_from.push(memory.valid_from);
            columns.on_conflicts.push(review.map(|review| OnConflict::as_str(review.on_conflict)));
            columns.review_reasons.push(review.map(|review| ReviewReason::as_str(review.reason)));
        }
        columns
    }
}

async fn write_index(
    transaction: &Transaction,
    writes: &Writes,
    window: &Window,
    indexed: &[IndexedEvent],
) -> Result<(), Error> {
    let Some(first) = indexed.first() else { return Ok(()) };
    let versions: Vec<i64> = indexed.iter().map(|event| event.version).collect();
    let embeddings: Vec<HalfVector> =
        indexed.iter().map(|event| HalfVector::from_f32_slice(&event.embedding)).collect();
    let texts: Vec<&str> = indexed.iter().map(|event| event.terms.as_str()).collect();
    let (tenant, user) = (window.tenant.as_str(), window.user.as_str());
    transaction
        .execute(
            &writes.index,
            &[&tenant, &user, &window.session.0, &first.embedding_model, &versions, &embeddings, &texts],
        )
        .await?;
    Ok(())
}

async fn write_run(
    transaction: &Transaction,
    writes: &Writes,
    window: &Window,
    run: &Run,
    reconciled: &Reconciled,
) -> Result<(), Error> {
    let id = run.id;
    let tenant = window.tenant.as_str();
    let tokens = (stored_count(run.input_tokens), stored_count(run.output_tokens));
    let deferrals = stored_deferrals(run.deferrals);
    let reason = run.reason.as_deref().map(stored_error);
    let ledger = &reconciled.ledger;
    let outcomes: Vec<&str> = ledger.iter().map(|entry| entry.outcome.as_str()).collect();
    let kinds: Vec<&str> = ledger.iter().map(|entry| entry.kind.as_str()).collect();
    let memories: Vec<Option<Uuid>> = ledger.iter().map(|entry| entry.memory.map(|id| id.0)).collect();
    let reasons: Vec<Option<&str>> =
        ledger.iter().map(|entry| entry.reason.map(domain::Dropped::as_str)).collect();
    let evidence: Vec<String> = ledger.iter().map(|entry| array_literal(&entry.evidence)).collect();
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
            if ledger.is_empty() {
                return Ok(0);
            }
            transaction
                .execute(
                    &writes.ledger,
                    &[
                        &id,
                        &tenant,
                        &window.session.0,
                        &run.agent,
                        &outcomes,
                        &kinds,
                        &memories,
                        &reasons,
                        &evidence,
                    ],
                )
                .await
        },
    )?;
    Ok(())
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
