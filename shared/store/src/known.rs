use domain::{Known, ReviewPolicy, Scope, Thought, Window, wording_digest};
use futures::try_join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::connect::Transaction;
use crate::{Error, claim, row};

/// What a window's thoughts are about, as the arrays that statements take, one entry of each per thought.
pub(crate) struct Subjects<'a> {
    window: &'a Window,
    scopes: Vec<&'a str>,
    scope_ids: Vec<String>,
    kinds: Vec<&'a str>,
    keys: Vec<&'a str>,
    wordings: Vec<Vec<u8>>,
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
            wordings: thoughts.iter().map(|thought| wording_digest(&thought.content).to_vec()).collect(),
        }
    }

    /// What is stored under the keys, memories locked, and which thoughts the tenant wants reviewed: nothing where there
    /// is no thought. In this order, so that whoever waits for a reviewer's decision sees everything it did.
    pub(crate) async fn read_known(
        &self,
        transaction: &Transaction,
        reads: &Reads,
    ) -> Result<(Known, ReviewPolicy), Error> {
        if self.keys.is_empty() {
            return Ok(Default::default());
        }
        let tenant = self.window.tenant.as_str();
        let Self { scopes, scope_ids, kinds, keys, wordings, .. } = self;
        let memories: [&(dyn ToSql + Sync); 5] = [&tenant, scopes, scope_ids, kinds, keys];
        let refused: [&(dyn ToSql + Sync); 6] = [&tenant, scopes, scope_ids, kinds, keys, wordings];
        let own: [&(dyn ToSql + Sync); 1] = [&tenant];
        let (pending, current, refusals, settings) = try_join!(
            transaction.query(&reads.lock_pending, &memories),
            transaction.query(&reads.lock_current, &memories),
            transaction.query(&reads.refusals, &refused),
            transaction.query(&reads.settings, &own),
        )?;
        let known = Known {
            pending: all(&pending, row::pending)?,
            current: all(&current, row::memory)?,
            refusals: all(&refusals, row::refusal)?,
        };
        let policy = match settings.first() {
            Some(row) => claim::settings(&self.window.tenant, row.try_get("settings")?).review,
            None => ReviewPolicy::default(),
        };
        Ok((known, policy))
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
    refusals: Statement,
    settings: Statement,
}

impl Reads {
    pub(crate) async fn prepare(transaction: &Transaction) -> Result<Self, Error> {
        let (lock_pending, lock_current, refusals, settings) = try_join!(
            transaction.prepare(include_str!("../queries/lock_pending_memories.sql")),
            transaction.prepare(include_str!("../queries/lock_current_memories.sql")),
            transaction.prepare(include_str!("../queries/read_refusals.sql")),
            transaction.prepare("select settings from afterthought.tenants where tenant = $1"),
        )?;
        Ok(Self { lock_pending, lock_current, refusals, settings })
    }
}

fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    rows.iter().map(read).collect()
}
