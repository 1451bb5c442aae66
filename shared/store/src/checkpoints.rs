//! Checkpoints: what an application saves of its agent, so that it can go on from there.

use domain::SessionId;
use domain::state::{Base, Body, Canonical, Checkpoint, Damage, Parent, Plan, checksum, plan};
use futures::{join, try_join};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::checkpoints_read::{Chain, ReadCheckpoint};
use crate::connect::Transaction;
use crate::once::Requests;
use crate::sessions::{OpenSession, Opened};
use crate::{Error, Once, RequestKey, SessionPath, Store};

/// A state to be saved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewCheckpoint<'a> {
    /// Where in the application's graph it was taken: 1 to 200 bytes without NUL.
    pub node_id: &'a str,
    /// The state.
    pub state: &'a Value,
    /// The same in its canonical form.
    pub canonical: &'a Canonical,
    /// The checkpoint that the application went on from, 0 for none: the latest, or nothing is saved. Not compared when not
    /// given.
    pub parent: Option<i64>,
    /// Its place among the checkpoints: the one after the latest, if not given.
    pub sequence: Option<i64>,
    /// The session's last event that is in the state: its last one now, if not given.
    pub through: Option<i64>,
    /// Which form the state has, by the application's own count.
    pub schema_version: i16,
    /// Whether to save it instead of the latest, if it has that one's place.
    pub replace: bool,
}

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedCheckpoint {
    /// The session.
    pub session: SessionId,
    /// Its place among the checkpoints.
    pub sequence: i64,
    /// The checkpoint before it.
    pub parent: Option<i64>,
    /// The session's last event that is in the state.
    pub through: i64,
    /// Its checksum.
    pub checksum: Vec<u8>,
    /// How long the state is, in bytes of canonical JSON.
    pub state_bytes: usize,
    /// How many bytes were written: those of the state or those of a patch.
    pub stored_bytes: usize,
    /// Whether the very same was saved before, and nothing was written now.
    pub was_saved: bool,
}

/// How saving ended. Unless it is [`Saving::Saved`], nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saving {
    /// It is saved.
    Saved(SavedCheckpoint),
    /// Another checkpoint has its place, or the parent given is not the latest one: this is.
    Stale {
        /// The latest sequence, 0 for none.
        latest: i64,
    },
    /// The session has no such event yet.
    Beyond {
        /// Its last version.
        head: i64,
    },
}

/// A checkpoint without its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// Its place among the checkpoints.
    pub sequence: i64,
    /// The node.
    pub node_id: String,
    /// The checkpoint before it.
    pub parent: Option<i64>,
    /// The session's last event that is in it.
    pub through: i64,
    /// The form of the state.
    pub schema_version: i16,
    /// How long the state is, in bytes of canonical JSON.
    pub state_bytes: i32,
    /// How many bytes it takes here.
    pub stored_bytes: i32,
    /// Whether it is stored whole.
    pub is_whole: bool,
    /// Its checksum.
    pub checksum: Vec<u8>,
    /// When it was saved.
    pub created_at: Timestamp,
}

impl Store {
    /// Saves a checkpoint after the latest one of its session, in one transaction of two round trips; a session that is new is
    /// made, which takes another.
    ///
    /// The same checkpoint again is answered as if it were saved now. If the latest one is damaged, the new one is saved
    /// whole.
    pub async fn save_checkpoint(
        &self,
        path: SessionPath<'_>,
        new: &NewCheckpoint<'_>,
        request: Option<&RequestKey>,
    ) -> Result<Once<Saving>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let (requests, sessions, read, insert) = try_join!(
            Requests::prepare(&transaction),
            OpenSession::prepare(&transaction),
            ReadCheckpoint::prepare(&transaction),
            transaction.prepare(include_str!("../queries/insert_checkpoint.sql")),
        )?;
        // In this order, so that whatever the lock waited for is seen.
        let (begun, claimed, opened, latest) = join!(
            transaction.begin_planned(),
            requests.claim(&transaction, path.tenant, path.user, request),
            sessions.lock(&transaction, path),
            read.chain(&transaction, path, i64::MAX),
        );
        begun?;
        if let Some(answer) = claimed?.made_before() {
            return transaction.leave(answer).await;
        }
        let mut latest = latest?;
        let opened = if let Some(opened) = opened? {
            opened
        } else {
            let opened = sessions.make(&transaction, path).await?;
            latest = read.chain(&transaction, path, i64::MAX).await?;
            opened
        };
        let settled = settle(&transaction, &read, path, new, opened, latest).await?;
        let (saved, row) = match settled {
            Settled::Write(saved, row) => (saved, Some(row)),
            Settled::Same(saved) => (saved, None),
            Settled::Refused(refused) => return transaction.leave(Once::Done(refused)).await,
        };
        try_join!(
            async {
                match &row {
                    Some(row) => write(&transaction, &insert, path, new, row).await,
                    None => Ok(()),
                }
            },
            requests.answer(&transaction, path.tenant, path.user, request, &saved),
            transaction.commit(),
        )?;
        transaction.end();
        Ok(Once::Done(Saving::Saved(saved)))
    }

    /// The checkpoints of a session before a sequence, or the latest ones, without their states.
    pub async fn checkpoints(
        &self,
        path: SessionPath<'_>,
        before: Option<i64>,
        limit: u16,
    ) -> Result<Vec<CheckpointRecord>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_checkpoints.sql")).await?;
        let values: [&(dyn ToSql + Sync); 5] =
            [&path.tenant.as_str(), &path.user.as_str(), &path.session, &before, &i64::from(limit)];
        let ((), rows, ()) =
            try_join!(transaction.begin_planned(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(record).collect()
    }
}

/// What is to be done about a checkpoint.
enum Settled {
    Write(SavedCheckpoint, Box<NewRow>),
    Same(SavedCheckpoint),
    Refused(Saving),
}

/// A row to be written.
struct NewRow {
    checkpoint: Checkpoint,
    plan: Plan,
    checksum: [u8; 32],
}

/// Decides under the session's lock what is to be done about a checkpoint, given the latest one.
async fn settle(
    transaction: &Transaction,
    read: &ReadCheckpoint,
    path: SessionPath<'_>,
    new: &NewCheckpoint<'_>,
    opened: Opened,
    latest: Option<Chain>,
) -> Result<Settled, Error> {
    let latest_sequence = latest.as_ref().map_or(0, |latest| latest.last().sequence);
    let sequence = new.sequence.unwrap_or(latest_sequence.saturating_add(1));
    let stale = Settled::Refused(Saving::Stale { latest: latest_sequence });
    let mut parent = latest;
    if sequence <= latest_sequence {
        let there = match &parent {
            Some(latest) if sequence == latest_sequence => Some(latest.clone()),
            _ => read.chain(transaction, path, sequence).await?,
        };
        let Some(there) = there.filter(|there| there.last().sequence == sequence) else { return Ok(stale) };
        if let Some(saved) = same(new, &there) {
            return Ok(Settled::Same(saved));
        }
        if !new.replace || sequence != latest_sequence {
            return Ok(stale);
        }
        parent = match &there.last().parent {
            Some(parent) => read
                .chain(transaction, path, parent.sequence)
                .await?
                .filter(|chain| chain.last().sequence == parent.sequence),
            None => None,
        };
    }
    let parent_sequence = parent.as_ref().map_or(0, |parent| parent.last().sequence);
    if new.parent.is_some_and(|believed| believed != parent_sequence) {
        return Ok(stale);
    }
    let through = new.through.unwrap_or(opened.head);
    if through > opened.head {
        return Ok(Settled::Refused(Saving::Beyond { head: opened.head }));
    }
    let base = parent.as_ref().and_then(base);
    let checkpoint = Checkpoint {
        session: opened.id,
        sequence,
        node_id: new.node_id.to_owned(),
        parent: parent.map(|parent| Parent {
            sequence: parent.last().sequence,
            checksum: parent.last().checksum.clone(),
        }),
        through,
        schema_version: new.schema_version,
        state: Value::Null,
    };
    let checksum = checksum(&checkpoint, new.canonical);
    let plan = plan(sequence, new.state, new.canonical, base);
    let (Body::Whole(stored) | Body::Patch(stored)) = &plan.body;
    let saved = SavedCheckpoint {
        session: opened.id,
        sequence,
        parent: checkpoint.parent.as_ref().map(|parent| parent.sequence),
        through,
        checksum: checksum.to_vec(),
        state_bytes: new.canonical.bytes(),
        stored_bytes: stored.len(),
        was_saved: false,
    };
    Ok(Settled::Write(saved, Box::new(NewRow { checkpoint, plan, checksum })))
}

/// What the checkpoint that has the place holds, if it is the very same: then its checksum is.
fn same(new: &NewCheckpoint<'_>, there: &Chain) -> Option<SavedCheckpoint> {
    let last = there.last();
    let parent_sequence = last.parent.as_ref().map_or(0, |parent| parent.sequence);
    let is_believed = new.parent.is_none_or(|believed| believed == parent_sequence);
    let as_given = Checkpoint {
        session: SessionId(last.session),
        sequence: last.sequence,
        node_id: new.node_id.to_owned(),
        parent: last.parent.clone(),
        through: new.through.unwrap_or(last.through),
        schema_version: new.schema_version,
        state: Value::Null,
    };
    let is_same = is_believed && checksum(&as_given, new.canonical).as_slice() == last.checksum;
    let (Body::Whole(stored) | Body::Patch(stored)) = &last.body;
    is_same.then(|| SavedCheckpoint {
        session: as_given.session,
        sequence: last.sequence,
        parent: last.parent.as_ref().map(|parent| parent.sequence),
        through: last.through,
        checksum: last.checksum.clone(),
        state_bytes: new.canonical.bytes(),
        stored_bytes: stored.len(),
        was_saved: true,
    })
}

/// What a patch would start from; none when the parent is not what was saved.
fn base(parent: &Chain) -> Option<Base> {
    let restored = parent.restore().inspect_err(|damage| report(parent, *damage)).ok()?;
    Some(Base { state: restored.state, whole: parent.whole, patches: parent.patches, bytes: parent.bytes })
}

/// Counts a damaged checkpoint and says which it is.
pub(crate) fn report(chain: &Chain, damage: Damage) {
    let last = chain.last();
    metrics::counter!("CheckpointsDamaged").increment(1);
    tracing::error!(
        session = %last.session,
        sequence = last.sequence,
        %damage,
        "checkpoint integrity check failed"
    );
}

async fn write(
    transaction: &Transaction,
    insert: &Statement,
    path: SessionPath<'_>,
    new: &NewCheckpoint<'_>,
    row: &NewRow,
) -> Result<(), Error> {
    let NewRow { checkpoint, plan, checksum } = row;
    let (whole, patch) = match &plan.body {
        Body::Whole(state) => (Some(state), None),
        Body::Patch(patch) => (None, Some(patch)),
    };
    let bytes = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    let (parent, parent_checksum) =
        checkpoint.parent.as_ref().map(|parent| (parent.sequence, &parent.checksum)).unzip();
    let values: [&(dyn ToSql + Sync); 15] = [
        &path.tenant.as_str(),
        &checkpoint.session.0,
        &checkpoint.sequence,
        &checkpoint.node_id,
        &parent,
        &parent_checksum,
        &checkpoint.through,
        &checkpoint.schema_version,
        &whole,
        &patch,
        &plan.whole,
        &plan.patches,
        &bytes(plan.bytes),
        &bytes(new.canonical.bytes()),
        &checksum.as_slice(),
    ];
    transaction.execute(insert, &values).await?;
    Ok(())
}

fn record(row: &Row) -> Result<CheckpointRecord, Error> {
    Ok(CheckpointRecord {
        sequence: row.try_get("sequence")?,
        node_id: row.try_get("node_id")?,
        parent: row.try_get("parent")?,
        through: row.try_get("through")?,
        schema_version: row.try_get("schema_version")?,
        state_bytes: row.try_get("state_bytes")?,
        stored_bytes: row.try_get("stored_bytes")?,
        is_whole: row.try_get("is_whole")?,
        checksum: row.try_get("checksum")?,
        created_at: row.try_get("created_at")?,
    })
}
