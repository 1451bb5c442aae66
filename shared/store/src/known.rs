use std::collections::BTreeSet;

use domain::{
    Evidence, Gate, Known, MemoryId, OnConflict, Retractions, ReviewPolicy, Said, Scope, SessionId,
    TenantSettings, Thought, Window, key_digest, wording_digest,
};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::connect::Transaction;
use crate::{Error, claim, row};

/// What a window's thoughts are about, as the arrays that statements take, one entry of each per thought.
pub(crate) struct Subjects<'a> {
    window: &'a Window,
    scopes: Vec<&'a str>,
    scope_ids: Vec<String>,
    kinds: Vec<&'a str>,
    keys: Vec<&'a str>,
    contents: Vec<&'a str>,
    changing: Vec<bool>,
    wordings: Vec<Vec<u8>>,
    key_digests: Vec<Vec<u8>>,
    elsewhere: BTreeSet<Evidence>,
}

impl<'a> Subjects<'a> {
    pub(crate) fn of(window: &'a Window, thoughts: &'a [Thought]) -> Self {
        Self {
            window,
            scopes: thoughts.iter().map(|thought| thought.scope.as_str()).collect(),
            scope_ids: thoughts
                .iter()
                .map(|thought| match thought.scope {
                    Scope::Session => window.session.to_string(),
                    Scope::User => window.user.as_str().to_owned(),
                    Scope::Global => String::new(),
                })
                .collect(),
            kinds: thoughts.iter().map(|thought| thought.kind.as_str()).collect(),
            keys: thoughts.iter().map(|thought| thought.key.as_str()).collect(),
            contents: thoughts.iter().map(|thought| thought.content.as_str()).collect(),
            changing: thoughts.iter().map(|thought| thought.on_conflict == OnConflict::Latest).collect(),
            wordings: thoughts.iter().map(|thought| wording_digest(&thought.content).to_vec()).collect(),
            key_digests: thoughts.iter().map(|thought| key_digest(&thought.key).to_vec()).collect(),
            elsewhere: thoughts.iter().flat_map(|thought| thought.elsewhere.iter().copied()).collect(),
        }
    }

    /// What is stored under the keys, memories locked, what a thought has to pass, and which thoughts the tenant wants
    /// reviewed: nothing where there is no thought. `recalled` are the events that only repeat what recall handed out. In this order, so that whoever waits for a reviewer's decision sees everything it did.
    pub(crate) async fn read_known(
        &self,
        transaction: &Transaction,
        reads: &Reads,
        recalled: &BTreeSet<i64>,
    ) -> Result<(Known, ReviewPolicy), Error> {
        if self.keys.is_empty() {
            return Ok(Default::default());
        }
        let (tenant, user) = (self.window.tenant.as_str(), self.window.user.as_str());
        let Self { scopes, scope_ids, kinds, keys, contents, changing, wordings, key_digests, .. } = self;
        let memories: [&(dyn ToSql + Sync); 5] = [&tenant, scopes, scope_ids, kinds, keys];
        let changes: [&(dyn ToSql + Sync); 6] = [&tenant, scopes, scope_ids, kinds, keys, changing];
        let same: [&(dyn ToSql + Sync); 6] = [&tenant, scopes, scope_ids, kinds, keys, contents];
        let counted: [&(dyn ToSql + Sync); 2] = [&tenant, &user];
        let refused: [&(dyn ToSql + Sync); 6] = [&tenant, scopes, scope_ids, kinds, keys, wordings];
        let own: [&(dyn ToSql + Sync); 1] = [&tenant];
        let retracted: [&(dyn ToSql + Sync); 6] = [&tenant, scopes, scope_ids, kinds, key_digests, wordings];
        let sessions: Vec<Uuid> = self.elsewhere.iter().map(|event| event.session.0).collect();
        let versions: Vec<i64> = self.elsewhere.iter().map(|event| event.version).collect();
        let events: [&(dyn ToSql + Sync); 4] = [&tenant, &user, &sessions, &versions];
        let (pending, current, twins, times, refusals, retracted, accepted, settings, count) = try_join!(
            transaction.query(&reads.lock_pending, &memories),
            transaction.query(&reads.lock_current, &memories),
            transaction.query(&reads.lock_twins, &same),
            async {
                if !changing.contains(&true) {
                    return Ok(Vec::new());
                }
                transaction.query(&reads.said, &changes).await
            },
            transaction.query(&reads.refusals, &refused),
            transaction.query(&reads.retractions, &retracted),
            async {
                if sessions.is_empty() {
                    return Ok(Vec::new());
                }
                transaction.query(&reads.accepted, &events).await
            },
            transaction.query(&reads.settings, &own),
            transaction.query(&reads.count, &counted),
        )?;
        let settings = match settings.first() {
            Some(row) => claim::settings(&self.window.tenant, row.try_get("settings")?),
            None => TenantSettings::default(),
        };
        let count: i64 = count.first().map_or(Ok(0), |row| row.try_get("memories"))?;
        let known = Known {
            pending: all(&pending, row::pending)?,
            current: all(&current, row::memory)?,
            said: times.iter().map(said).collect::<Result<_, _>>()?,
            twins: all(&twins, row::memory)?,
            refusals: all(&refusals, row::refusal)?,
            retractions: Retractions {
                memories: all(&retracted, row::retraction)?,
                accepted: accepted.iter().map(accepted_at).collect::<Result<_, _>>()?,
            },
            gate: Gate {
                floor: settings.confidence_floor(),
                room: settings.memories_per_user().map(|most| most.saturating_sub(stored(count))),
                recalled: recalled.clone(),
            },
        };
        Ok((known, settings.review))
    }

    /// Has the transaction start over when more was refused under the keys than was `seen`; after inserting.
    pub(crate) async fn check_refusals(
        &self,
        transaction: &Transaction,
        check: &Statement,
        seen: usize,
    ) -> Result<(), Error> {
        let seen = i64::try_from(seen).unwrap_or(i64::MAX);
        let Self { scopes, scope_ids, kinds, keys, wordings, .. } = self;
        let tenant = self.window.tenant.as_str();
        let values: [&(dyn ToSql + Sync); 7] = [&tenant, scopes, scope_ids, kinds, keys, wordings, &seen];
        transaction.query(check, &values).await?;
        Ok(())
    }
}

/// The statements that read what is known.
pub(crate) struct Reads {
    lock_pending: Statement,
    lock_current: Statement,
    lock_twins: Statement,
    said: Statement,
    refusals: Statement,
    retractions: Statement,
    accepted: Statement,
    settings: Statement,
    count: Statement,
}

impl Reads {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (lock_pending, lock_current, lock_twins, said, refusals, retractions, accepted, settings, count) =
            try_join!(
                transaction.prepare(include_str!("../queries/lock_pending_memories.sql")),
                transaction.prepare(include_str!("../queries/lock_current_memories.sql")),
                transaction.prepare(include_str!("../queries/lock_twins.sql")),
                transaction.prepare(include_str!("../queries/read_said.sql")),
                transaction.prepare(include_str!("../queries/read_refusals.sql")),
                transaction.prepare(include_str!("../queries/read_retractions.sql")),
                transaction.prepare(include_str!("../queries/read_accepted.sql")),
                transaction.prepare("select settings from afterthought.tenants where tenant = $1"),
                transaction.prepare(include_str!("../queries/count_memories.sql")),
            )?;
        Ok(Self {
            lock_pending,
            lock_current,
            lock_twins,
            said,
            refusals,
            retractions,
            accepted,
            settings,
            count,
        })
    }
}

fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    rows.iter().map(read).collect()
}

/// The event that a current memory was last said in.
fn said(row: &Row) -> Result<(MemoryId, Said), Error> {
    let event = Evidence { session: SessionId(row.try_get("session_id")?), version: row.try_get("version")? };
    Ok((MemoryId(row.try_get("id")?), Said { at: row.try_get("occurred_at")?, event }))
}

/// When an event was accepted.
fn accepted_at(row: &Row) -> Result<(Evidence, Timestamp), Error> {
    let event = Evidence { session: SessionId(row.try_get("session_id")?), version: row.try_get("version")? };
    Ok((event, row.try_get("created_at")?))
}

fn stored(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
