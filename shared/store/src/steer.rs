use domain::{SessionId, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::conflict::until_alone;
use crate::target::{self, behind, stored_moment};
use crate::{Behind, Error, Store, Target};

/// Events that an agent will not think about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cancelled {
    /// The agent.
    pub agent: String,
    /// Whose session.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// The version before the first of them.
    pub after: i64,
    /// The last of them.
    pub through: i64,
}

/// From where on agents think again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayFrom {
    /// From this version on; 1 is the beginning, and anything less too.
    Version(i64),
    /// From the first event on that was accepted at this moment or later.
    Since(Timestamp),
}

/// What was sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// How many sessions, each once for every agent.
    pub sessions: usize,
    /// The first of them, in the order of sessions and agents.
    pub first: Vec<Behind>,
}

impl Replayed {
    /// How many are told.
    pub const MOST_LISTED: u16 = 100;
}

impl Store {
    /// Moves the cursors of those of `agents` that the target means to the head of its sessions, or to just before the
    /// first event accepted at `before` or later, without thinking; each move leaves a run `cancelled`. Cursors that
    /// are there already stay. For [`crate::Role::Operator`].
    ///
    /// One transaction. A run that is thinking about what is cancelled loses its compare-and-set.
    pub async fn cancel(
        &self,
        target: &Target,
        agents: &[&str],
        before: Option<Timestamp>,
    ) -> Result<Vec<Cancelled>, Error> {
        until_alone(|| self.cancel_once(target, agents, before)).await
    }

    async fn cancel_once(
        &self,
        target: &Target,
        agents: &[&str],
        before: Option<Timestamp>,
    ) -> Result<Vec<Cancelled>, Error> {
        let transaction = self.transaction_of_all().await?;
        let open = transaction.prepare(include_str!("../queries/open_cursors.sql")).await?;
        let cancel = transaction.prepare(include_str!("../queries/cancel_windows.sql")).await?;
        let (tenant, user, session) = (target.tenant(), target.user(), target.session());
        let agents = target.agents(agents);
        let before = before.map(stored_moment);
        transaction.begin().await?;
        transaction.execute(&open, &[&tenant, &user, &session, &agents]).await?;
        let rows = transaction.query(&cancel, &[&tenant, &user, &session, &agents, &before]).await?;
        let cancelled = rows.iter().map(cancelled).collect::<Result<_, _>>()?;
        transaction.commit().await?;
        transaction.end();
        Ok(cancelled)
    }

    /// Sends those of `agents` that the target means back in its sessions, and answers how many and which, the first of
    /// them; [`Store::target_behind`] says page by page what they are to be woken for. Cursors that stand there or before
    /// stay and are not in the answer. For [`crate::Role::Operator`].
    ///
    /// One transaction. The generation of each cursor counts on, so a run that had begun before loses its
    /// compare-and-set. Quarantined runs whose windows will be thought about again by this are closed, `redriven_by`
    /// being their own id: a redrive of them has nothing left to do.
    pub async fn replay(
        &self,
        target: &Target,
        agents: &[&str],
        from: ReplayFrom,
    ) -> Result<Replayed, Error> {
        until_alone(|| self.replay_once(target, agents, from)).await
    }

    async fn replay_once(
        &self,
        target: &Target,
        agents: &[&str],
        from: ReplayFrom,
    ) -> Result<Replayed, Error> {
        let (version, since) = match from {
            ReplayFrom::Version(version) => (Some(version.max(1)), None),
            ReplayFrom::Since(since) => (None, Some(stored_moment(since))),
        };
        let transaction = self.transaction_of_all().await?;
        let send_back = transaction.prepare(include_str!("../queries/send_back.sql")).await?;
        let close = transaction.prepare(include_str!("../queries/close_replayed.sql")).await?;
        let (tenant, user, session) = (target.tenant(), target.user(), target.session());
        let agents = target.agents(agents);
        transaction.begin().await?;
        let most = i64::from(Replayed::MOST_LISTED);
        let values: [&(dyn ToSql + Sync); 7] = [&tenant, &user, &session, &agents, &version, &since, &most];
        let rows = transaction.query(&send_back, &values).await?;
        // A statement of its own: it sees what was quarantined up to the moment the cursors were locked.
        transaction.execute(&close, &[&tenant, &user, &session, &agents]).await?;
        let sessions: i64 = rows.first().map_or(Ok(0), |row| row.try_get("sessions"))?;
        let first = rows.iter().map(behind).collect::<Result<_, _>>()?;
        transaction.commit().await?;
        transaction.end();
        Ok(Replayed { sessions: usize::try_from(sessions).unwrap_or(usize::MAX), first })
    }
}

fn cancelled(row: &Row) -> Result<Cancelled, Error> {
    let session: Uuid = row.try_get("session_id")?;
    Ok(Cancelled {
        agent: row.try_get("agent")?,
        tenant: target::tenant(row, "agent_cursors", &session)?,
        session: SessionId(session),
        after: row.try_get("after")?,
        through: row.try_get("through")?,
    })
}
