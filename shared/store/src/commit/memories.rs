//! Writing what a commit changes: memories with their evidence, what is closed, and what recall can find events by.

use domain::{Change, Closing, OnConflict, ReviewReason, Window};
use futures::try_join;
use jiff::Timestamp;
use pgvector::HalfVector;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Run;
use crate::connect::Transaction;
use crate::{Error, IndexedEvent, IndexedPassage};

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
    passages: Statement,
    pub(super) run: Statement,
    pub(super) ledger: Statement,
    pub(crate) check: Statement,
}

impl Writes {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (close, insert, update, evidence, elsewhere, inherit, index, passages, run, ledger, check) = try_join!(
            transaction.prepare(include_str!("../../queries/close_memories.sql")),
            transaction.prepare(include_str!("../../queries/insert_memories.sql")),
            transaction.prepare(include_str!("../../queries/update_memories.sql")),
            transaction.prepare(include_str!("../../queries/insert_evidence.sql")),
            transaction.prepare(include_str!("../../queries/insert_evidence_elsewhere.sql")),
            transaction.prepare(include_str!("../../queries/inherit_evidence.sql")),
            transaction.prepare(include_str!("../../queries/insert_event_index.sql")),
            transaction.prepare(include_str!("../../queries/insert_event_passages.sql")),
            transaction.prepare(include_str!("../../queries/insert_run.sql")),
            transaction.prepare(include_str!("../../queries/insert_ledger.sql")),
            transaction.prepare(include_str!("../../queries/check_refusals.sql")),
        )?;
        Ok(Self { close, insert, update, evidence, elsewhere, inherit, index, passages, run, ledger, check })
    }
}

/// Ends the validity of what an agent has found to be a duplicate, contradicted or faded.
pub(super) async fn close(
    transaction: &Transaction,
    writes: &Writes,
    closings: &[Closing],
) -> Result<(), Error> {
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

pub(super) async fn write_index(
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
    let values: [&(dyn ToSql + Sync); 7] =
        [&tenant, &user, &window.session.0, &first.embedding_model, &versions, &embeddings, &texts];
    try_join!(
        transaction.execute(&writes.index, &values),
        write_passages(transaction, writes, window, &first.embedding_model, indexed),
    )?;
    Ok(())
}

async fn write_passages(
    transaction: &Transaction,
    writes: &Writes,
    window: &Window,
    embedding_model: &str,
    indexed: &[IndexedEvent],
) -> Result<(), Error> {
    let mut versions = Vec::new();
    let mut passages: Vec<i16> = Vec::new();
    let (mut starts, mut ends): (Vec<i32>, Vec<i32>) = (Vec::new(), Vec::new());
    let mut embeddings = Vec::new();
    let mut texts = Vec::new();
    for event in indexed {
        for (passage, IndexedPassage { bytes, embedding }) in (0..).zip(&event.passages) {
            let (Ok(start), Ok(end), Some(text)) =
                (i32::try_from(bytes.start), i32::try_from(bytes.end), event.terms.get(bytes.clone()))
            else {
                continue;
            };
            versions.push(event.version);
            passages.push(passage);
            starts.push(start);
            ends.push(end);
            embeddings.push(HalfVector::from_f32_slice(embedding));
            texts.push(text);
        }
    }
    if versions.is_empty() {
        return Ok(());
    }
    let values: [&(dyn ToSql + Sync); 8] =
        [&window.session.0, &embedding_model, &versions, &passages, &starts, &ends, &embeddings, &texts];
    transaction.execute(&writes.passages, &values).await?;
    Ok(())
}
