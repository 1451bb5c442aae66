use domain::{SessionId, SessionName, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// Which sessions of a user are looked at.
#[derive(Debug, Clone, Copy)]
pub struct ProgressOf<'a> {
    /// Only this one.
    pub session: Option<&'a SessionName>,
    /// Agents to tell of even where they have not begun.
    pub agents: &'a [&'a str],
    /// The last session of the page before: its latest event and its id.
    pub after: Option<(Timestamp, SessionId)>,
    /// At most so many sessions.
    pub limit: u16,
}

/// How far the agents are with a session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionProgress {
    /// The session.
    pub id: SessionId,
    /// Its name.
    pub session: String,
    /// Its last version.
    pub head: i64,
    /// When its last event was accepted.
    pub last_event_at: Timestamp,
    /// The agents, those that were asked for first.
    pub agents: Vec<SessionAgent>,
}

/// How far an agent is with a session, and what came of it. Thoughts are counted over all its runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAgent {
    /// The agent.
    pub agent: String,
    /// The last version it has thought about, 0 before the first.
    pub through: i64,
    /// When the first event was accepted that it has not thought about; `None` when there is none.
    pub waiting_since: Option<Timestamp>,
    /// Thoughts that became a memory.
    pub stored: i64,
    /// Thoughts that were added to a memory.
    pub merged: i64,
    /// Thoughts that took the place of a memory.
    pub superseded: i64,
    /// Thoughts that wait, or waited, for a person.
    pub pending: i64,
    /// Thoughts that were not kept.
    pub dropped: i64,
}

impl Store {
    /// How far the agents are with a user's sessions, the one with the latest event first, in one round trip.
    pub async fn user_progress(
        &self,
        tenant: &TenantId,
        user: &UserId,
        of: ProgressOf<'_>,
    ) -> Result<Vec<SessionProgress>, Error> {
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(include_str!("../queries/read_user_progress.sql")).await?;
        let (tenant, user, limit) = (tenant.as_str(), user.as_str(), i64::from(of.limit));
        let session = of.session.map(SessionName::as_str);
        let (after, after_id) = (of.after.map(|(at, _)| at), of.after.map(|(_, session)| session.0));
        let values: [&(dyn ToSql + Sync); 7] =
            [&tenant, &user, &session, &of.agents, &after, &after_id, &limit];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, &values), transaction.commit())?;
        transaction.end();
        let mut sessions: Vec<SessionProgress> = Vec::new();
        for row in &rows {
            let id = SessionId(row.try_get::<_, Uuid>("id")?);
            if sessions.last().is_none_or(|last| last.id != id) {
                sessions.push(SessionProgress {
                    id,
                    session: row.try_get("session")?,
                    head: row.try_get("head_version")?,
                    last_event_at: row.try_get("last_event_at")?,
                    agents: Vec::new(),
                });
            }
            let (Some(of), Some(agent)) = (sessions.last_mut(), row.try_get("agent")?) else { continue };
            of.agents.push(SessionAgent {
                agent,
                through: row.try_get("through")?,
                waiting_since: row.try_get("waiting_since")?,
                stored: row.try_get("stored")?,
                merged: row.try_get("merged")?,
                superseded: row.try_get("superseded")?,
                pending: row.try_get("pending")?,
                dropped: row.try_get("dropped")?,
            });
        }
        Ok(sessions)
    }
}
