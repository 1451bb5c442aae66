//! Checkpoints read back, and compared with what was saved.

use domain::state::{Body, Checkpoint, Damage, Parent, StoredCheckpoint, restore};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::checkpoints::report;
use crate::connect::Transaction;
use crate::{Error, SessionPath, Store};

/// So many rows at most are read for one checkpoint: more than it is ever made of.
const MOST_ROWS: i64 = 64;
/// So many damaged checkpoints at most are passed over on the way to a good one.
const MOST_DAMAGED: usize = 100;

/// A checkpoint that is what was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The checksum that was stored, and found again.
    pub checksum: Vec<u8>,
    /// When it was saved.
    pub created_at: Timestamp,
}

/// How loading ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Loading {
    /// It is what was saved.
    Good(Box<LoadedCheckpoint>),
    /// It is not.
    Damaged {
        /// Its sequence.
        sequence: i64,
        /// What is wrong.
        damage: Damage,
        /// The last one before it that is what was saved.
        previous_good: Option<i64>,
    },
}

/// What there is to go on from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LatestGood {
    /// The latest checkpoint that is what was saved.
    pub loaded: Option<LoadedCheckpoint>,
    /// Those after it, which are not, the latest first.
    pub damaged: Vec<i64>,
}

impl Store {
    /// A checkpoint of a session, or its latest, with its checksum compared; none when there is no such checkpoint.
    ///
    /// One round trip, unless it is damaged: then those before it are tried.
    pub async fn load_checkpoint(
        &self,
        path: SessionPath<'_>,
        sequence: Option<i64>,
    ) -> Result<Option<Loading>, Error> {
        let Some(chain) = self.chain(path, sequence.unwrap_or(i64::MAX)).await? else { return Ok(None) };
        let last = chain.last().sequence;
        if sequence.is_some_and(|asked| asked != last) {
            return Ok(None);
        }
        match chain.load() {
            Ok(loaded) => Ok(Some(Loading::Good(Box::new(loaded)))),
            Err(damage) => {
                report(&chain, damage);
                let before = self.latest_good_checkpoint(path, last - 1).await?;
                let previous_good = before.loaded.map(|loaded| loaded.checkpoint.sequence);
                Ok(Some(Loading::Damaged { sequence: last, damage, previous_good }))
            }
        }
    }

    /// The latest checkpoint up to a sequence that is what was saved, and which are not.
    pub async fn latest_good_checkpoint(
        &self,
        path: SessionPath<'_>,
        up_to: i64,
    ) -> Result<LatestGood, Error> {
        let mut found = LatestGood::default();
        let mut up_to = up_to;
        while found.damaged.len() < MOST_DAMAGED
            && let Some(chain) = self.chain(path, up_to).await?
        {
            match chain.load() {
                Ok(loaded) => {
                    found.loaded = Some(loaded);
                    break;
                }
                Err(damage) => {
                    report(&chain, damage);
                    let damaged = chain.last().sequence;
                    found.damaged.push(damaged);
                    up_to = damaged - 1;
                }
            }
        }
        Ok(found)
    }

    async fn chain(&self, path: SessionPath<'_>, sequence: i64) -> Result<Option<Chain>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let read = ReadCheckpoint::prepare(&transaction).await?;
        let ((), chain, ()) = try_join!(
            transaction.begin_planned(),
            read.chain(&transaction, path, sequence),
            transaction.commit()
        )?;
        transaction.end();
        Ok(chain)
    }
}

/// Reads a checkpoint within a transaction.
pub(crate) struct ReadCheckpoint {
    read: Statement,
}

/// A checkpoint with those it is made of; there is at least the one.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    rows: Vec<StoredCheckpoint>,
    last: StoredCheckpoint,
    pub(crate) whole: i64,
    pub(crate) patches: i16,
    pub(crate) bytes: usize,
    created_at: Timestamp,
}

impl ReadCheckpoint {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        Ok(Self { read: transaction.prepare(include_str!("../queries/read_checkpoint.sql")).await? })
    }

    /// The latest checkpoint up to a sequence.
    pub(crate) async fn chain(
        &self,
        transaction: &Transaction,
        path: SessionPath<'_>,
        sequence: i64,
    ) -> Result<Option<Chain>, Error> {
        let values: [&(dyn ToSql + Sync); 5] =
            [&path.tenant.as_str(), &path.user.as_str(), &path.session, &sequence, &MOST_ROWS];
        let rows = transaction.query(&self.read, &values).await?;
        let Some(last) = rows.first() else { return Ok(None) };
        let bytes: i32 = last.try_get("chain_bytes")?;
        Ok(Some(Chain {
            rows: rows.iter().rev().map(stored).collect::<Result<_, _>>()?,
            last: stored(last)?,
            whole: last.try_get("whole")?,
            patches: last.try_get("patches")?,
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            created_at: last.try_get("created_at")?,
        }))
    }
}

impl Chain {
    /// The checkpoint's own row.
    pub(crate) const fn last(&self) -> &StoredCheckpoint {
        &self.last
    }

    /// The checkpoint, if it is what was saved.
    pub(crate) fn restore(&self) -> Result<Checkpoint, Damage> {
        restore(&self.rows)
    }

    fn load(&self) -> Result<LoadedCheckpoint, Damage> {
        let checkpoint = self.restore()?;
        Ok(LoadedCheckpoint { checkpoint, checksum: self.last.checksum.clone(), created_at: self.created_at })
    }
}

fn stored(row: &Row) -> Result<StoredCheckpoint, Error> {
    let parent: Option<i64> = row.try_get("parent")?;
    let parent_checksum: Option<Vec<u8>> = row.try_get("parent_checksum")?;
    let (whole, patch): (Option<String>, Option<String>) = (row.try_get("state")?, row.try_get("patch")?);
    Ok(StoredCheckpoint {
        session: row.try_get("session_id")?,
        sequence: row.try_get("sequence")?,
        node_id: row.try_get("node_id")?,
        parent: match (parent, parent_checksum) {
            (None, None) => None,
            // One without the other was not written; its checksum will tell.
            (sequence, checksum) => Some(Parent {
                sequence: sequence.unwrap_or_default(),
                checksum: checksum.unwrap_or_default(),
            }),
        },
        through: row.try_get("through")?,
        schema_version: row.try_get("schema_version")?,
        // A row with neither is a patch that nobody wrote.
        body: whole.map_or_else(|| Body::Patch(patch.unwrap_or_default()), Body::Whole),
        checksum: row.try_get("checksum")?,
    })
}
