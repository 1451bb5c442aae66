use std::collections::BTreeSet;

use domain::{
    Change, Closing, Dropped, Known, Memory, MemoryId, MemoryType, OnConflict, Outcome, Reconciled,
    ReviewPolicy, ReviewReason, Scope, Thought, Window, reconcile,
};
use futures::try_join;
use jiff::Timestamp;
use pgvector::HalfVector;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::conflict::until_alone;
use crate::connect::Transaction;
use crate::known::{Reads, Subjects};
use crate::{Error, IndexedEvent, Store};

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
    /// Memories of the user's that are proposed to be closed.
    pub closings: Vec<Closing>,
    /// Events of the window that only repeat what recall handed out.
    pub recalled: BTreeSet<i64>,
    /// What recall can find events by.
    pub indexed: Vec<IndexedEvent>,
    /// The memories the agent saw: what a thought that replaces one was made from.
    pub seen: Vec<Memory>,
    /// Of which scope and type the agent saw every memory there was.
    pub seen_all: Vec<(Scope, MemoryType)>,
    /// Memories that thoughts say again elsewhere, each with the version they were made from.
    pub sources: Vec<(MemoryId, i64)>,
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
        let replaces =
            |thought: &&Thought| matches!(thought.on_conflict, OnConflict::Supersede | OnConflict::Continue);
        self.thoughts.iter().filter(replaces).any(|thought| {
            match (under(current, thought), under(&self.seen, thought)) {
                (Some(_), None) => self.seen_all.contains(&(thought.scope, thought.kind)),
                (current, seen) => current != seen,
            }
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
        // On the heap: with all its statements the transaction is some 17 KB, and callers hold it across their own waits.
        match until_alone(|| Box::pin(self.commit_once(window, effects, run))).await {
            // The session was erased meanwhile: there is nothing to keep, and nothing to try again.
            Err(error) if error.names_gone_session() => Ok(Committed::LostRace),
            committed => committed,
        }
    }

    async fn commit_once(&self, window: &Window, effects: &Effects, run: &Run) -> Result<Committed, Error> {
        let transaction = self.transaction(&window.tenant).await?;
        let writes = Writes::prepare(&transaction).await?;
        let subjects = Subjects::of(window, &effects.thoughts);
        let Some(locked) = begin_and_lock(&transaction, window, &subjects, effects, run).await? else {
            return Ok(Committed::LostRace);
        };
        let Locked { mut known, policy, open } = locked;
        // What is about to be closed is no memory to add to.
        known.twins.retain(|twin| effects.closings.iter().all(|closing| closing.memory != twin.id));
        if effects.are_stale(&known.current) || !are_as_read(effects, &open) {
            return Ok(Committed::LostRace);
        }
        let reconciled = reconcile(run.agent, window, &known, &policy, effects.thoughts.clone());
        try_join!(
            write_memories(&transaction, &writes, window, run, &reconciled.changes),
            close(&transaction, &writes, &effects.closings),
            async {
                if reconciled.changes.iter().all(|change| change.updates) {
                    return Ok(());
                }
                subjects.check_refusals(&transaction, &writes.check, known.refusals.len()).await
            },
            write_index(&transaction, &writes, window, &effects.indexed),
            write_run(&transaction, &writes, window, run, effects, &reconciled),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Committed::Done(reconciled))
    }
}

/// What a commit finds, once everything it touches is locked.
struct Locked {
    known: Known,
    policy: ReviewPolicy,
    /// Of the memories that are to be closed, take the place of closed ones or are said again elsewhere, those that hold:
    /// identifier, version and whether they are pinned.
    open: Vec<(Uuid, i64, bool)>,
}

/// Whether everything that is to be closed is as it was read, and not pinned, what takes its place still holds, and what is
/// said again elsewhere is as it was read.
fn are_as_read(effects: &Effects, open: &[(Uuid, i64, bool)]) -> bool {
    let holds = |id: Uuid| open.iter().find(|(held, ..)| *held == id);
    effects.closings.iter().all(|closing| {
        holds(closing.memory.0).is_some_and(|(_, version, pinned)| *version == closing.version && !pinned)
            && closing.by.is_none_or(|by| holds(by.0).is_some())
    }) && effects
        .sources
        .iter()
        .all(|(source, read)| holds(source.0).is_some_and(|(_, version, _)| version == read))
}

/// Opens the transaction, moves the cursor or closes the quarantined run, and locks the memories the thoughts are
/// about. `None` when another run was first.
async fn begin_and_lock(
    transaction: &Transaction,
    window: &Window,
    subjects: &Subjects<'_>,
    effects: &Effects,
    run: &Run,
) -> Result<Option<Locked>, Error> {
    let (advance, reads, lock_closings) = try_join!(
        transaction.prepare(match run.redrives {
            None => include_str!("../queries/advance_cursor.sql"),
            Some(_) => include_str!("../queries/close_quarantined.sql"),
        }),
        Reads::prepare(transaction),
        transaction.prepare(include_str!("../queries/lock_closings.sql")),
    )?;
    let closings = effects.closings.iter();
    let closing = closings.flat_map(|closing| [Some(closing.memory.0), closing.by.map(|by| by.0)]).flatten();
    let closing: BTreeSet<Uuid> = closing.chain(effects.sources.iter().map(|(source, _)| source.0)).collect();
    let closing: Vec<Uuid> = closing.into_iter().collect();
    let ((), moved, (known, policy), open) = try_join!(
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
        subjects.read_known(transaction, &reads, &effects.recalled),
        async {
            if closing.is_empty() {
                return Ok(Vec::new());
            }
            let (tenant, user) = (window.tenant.as_str(), window.user.as_str());
            transaction.query(&lock_closings, &[&tenant, &user, &closing]).await
        },
    )?;
    if moved.is_empty() {
        return Ok(None);
    }
    let open =
        open.iter().map(|row| Ok((row.try_get("id")?, row.try_get("version")?, row.try_get("pinned")?)));
    Ok(Some(Locked { known, policy, open: open.collect::<Result<_, Error>>()? }))
}

/// What a commit writes with, prepared before the transaction begins. Nothing may wait between the writes: what is sent
/// after the commit they share a round trip with would not be part of the transaction.
pub(crate) struct Writes {
    close: Statement,
    insert: Statement,
    update: Statement,
    evidence: Statement,
    elsewhere: Statement,
    inherit: Statement,
    index: Statement,
    run: Statement,
    ledger: Statement,
    pub(crate) check: Statement,
}

impl Writes {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (close, insert, update, evidence, elsewhere, inherit, index, run, ledger, check) = try_join!(
            transaction.prepare(include_str!("../queries/close_memories.sql")),
            transaction.prepare(include_str!("../queries/insert_memories.sql")),
            transaction.prepare(include_str!("../queries/update_memories.sql")),
            transaction.prepare(include_str!("../queries/insert_evidence.sql")),
            transaction.prepare(include_str!("../queries/insert_evidence_elsewhere.sql")),
            transaction.prepare(include_str!("../queries/inherit_evidence.sql")),
            transaction.prepare(include_str!("../queries/insert_event_index.sql")),
            transaction.prepare(include_str!("../queries/insert_run.sql")),
            transaction.prepare(include_str!("../queries/insert_ledger.sql")),
            transaction.prepare(include_str!("../queries/check_refusals.sql")),
        )?;
        Ok(Self { close, insert, update, evidence, elsewhere, inherit, index, run, ledger, check })
    }
}

/// Ends the validity of what an agent has found to be a duplicate, contradicted or faded.
async fn close(transaction: &Transaction, writes: &Writes, closings: &[Closing]) -> Result<(), Error> {
    if closings.is_empty() {
        return Ok(());
    }
    let closed: Vec<Uuid> = closings.iter().map(|closing| closing.memory.0).collect();
    let by: Vec<Option<Uuid>> = closings.iter().map(|closing| closing.by.map(|by| by.0)).collect();
    let since: Vec<Timestamp> = closings.iter().map(|closing| closing.at).collect();
    transaction.execute(&writes.close, &[&closed, &by, &since]).await?;
    Ok(())
}

pub(crate) async fn write_memories(
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

    let mut elsewhere_memories = Vec::new();
    let mut elsewhere_sessions = Vec::new();
    let mut elsewhere_versions = Vec::new();
    for change in changes {
        for event in &change.elsewhere {
            elsewhere_memories.push(change.memory.id.0);
            elsewhere_sessions.push(event.session.0);
            elsewhere_versions.push(event.version);
        }
    }

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
                        &fresh.valid_to,
                        &fresh.superseded_by,
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
                        &seen.ids, &seen.contents, &seen.data, &seen.confidences, &seen.valid_from,
                        &seen.on_conflicts, &seen.review_reasons,
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
            if elsewhere_memories.is_empty() {
                return Ok(0);
            }
            let values: [&(dyn ToSql + Sync); 5] = [
                &tenant,
                &window.user.as_str(),
                &elsewhere_memories,
                &elsewhere_sessions,
                &elsewhere_versions,
            ];
            transaction.execute(&writes.elsewhere, &values).await
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
    valid_to: Vec<Option<Timestamp>>,
    superseded_by: Vec<Option<Uuid>>,
}

impl<'a> Columns<'a> {
    fn of(changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut columns = Self::default();
        for Change { memory, review, past, .. } in changes {
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
            columns.valid_to.push(past.map(|(until, _)| until));
            columns.superseded_by.push(past.map(|(_, by)| by.0));
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
