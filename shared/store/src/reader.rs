use domain::{SessionId, TenantId};
use jiff::Timestamp;

use crate::target::{behind, tenant};
use crate::{Error, Store};

/// A session that an agent should have thought about by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The agent.
    pub agent: String,
    /// Whose session.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// Its last version.
    pub version: i64,
}

/// Which sessions a sweep looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepSpan {
    /// All of them, but those that changed after `until`.
    All {
        /// Later ones are still on their ordinary way.
        until: Timestamp,
    },
    /// Those that got an event between two moments.
    Recent {
        /// Earlier ones were swept before.
        since: Timestamp,
        /// Later ones are still on their ordinary way.
        until: Timestamp,
    },
}

/// A replication slot as the server reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotState {
    /// Whether the server has given up on it, so that it can never be read again.
    pub lost: bool,
    /// Why, when the server says.
    pub reason: Option<String>,
    /// Its output plugin; `pgoutput` is the one that is read.
    pub plugin: Option<String>,
    /// WAL written since the last confirmed position, in bytes.
    pub lag_bytes: Option<i64>,
    /// The application name of whoever reads it at this moment.
    pub active_reader: Option<String>,
}

impl Store {
    /// What [`Store::sessions_behind`] answers at most, so that whoever asks after an outage has memory for it.
    pub const MOST_BEHIND: usize = 200_000;

    /// The sessions that each of `agents` is behind on and may think about: what is held is left out. Any role; the
    /// reader's sees no content. Of more than [`Store::MOST_BEHIND`], any so many.
    pub async fn sessions_behind(&self, agents: &[&str], span: SweepSpan) -> Result<Vec<Behind>, Error> {
        let connection = self.connection().await?;
        let rows = match span {
            SweepSpan::All { until } => {
                let find =
                    connection.prepare(include_str!("../queries/find_all_sessions_behind.sql")).await?;
                connection.query(&find, &[&agents, &until]).await?
            }
            SweepSpan::Recent { since, until } => {
                let find = connection.prepare(include_str!("../queries/find_sessions_behind.sql")).await?;
                connection.query(&find, &[&agents, &until, &since]).await?
            }
        };
        rows.iter().map(behind).collect()
    }

    /// Of users with memories that nothing has embedded since before `until`, a session of each, with its tenant; at most
    /// `limit`. The reader's role sees nothing else of memories.
    pub async fn memories_behind(
        &self,
        until: Timestamp,
        limit: u16,
    ) -> Result<Vec<(TenantId, SessionId)>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_memories_behind.sql")).await?;
        let rows = connection.query(&find, &[&until, &i64::from(limit)]).await?;
        let read = |row: &tokio_postgres::Row| {
            let session: uuid::Uuid = row.try_get("session_id")?;
            Ok((tenant(row, "memories", &session)?, SessionId(session)))
        };
        rows.iter().map(read).collect()
    }

    /// Whether nothing is on its way any more for each of these agents, sessions and versions, in their order: the
    /// agent's cursor has reached the version, or it is not to think about the session now, or the session is gone.
    pub async fn caught_up(&self, woken: &[(&str, SessionId, i64)]) -> Result<Vec<bool>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_caught_up.sql")).await?;
        let agents: Vec<&str> = woken.iter().map(|(agent, ..)| *agent).collect();
        let sessions: Vec<uuid::Uuid> = woken.iter().map(|(_, session, _)| session.0).collect();
        let versions: Vec<i64> = woken.iter().map(|(.., version)| *version).collect();
        let rows = connection.query(&find, &[&agents, &sessions, &versions]).await?;
        Ok(rows.iter().map(|row| row.try_get("caught_up")).collect::<Result<_, _>>()?)
    }

    /// The state of a replication slot; `None` when there is none of this name.
    pub async fn slot_state(&self, slot: &str) -> Result<Option<SlotState>, Error> {
        let connection = self.connection().await?;
        let read = connection.prepare(include_str!("../queries/read_slot.sql")).await?;
        let Some(row) = connection.query_opt(&read, &[&slot]).await? else { return Ok(None) };
        Ok(Some(SlotState {
            lost: row.try_get::<_, Option<bool>>("lost")?.unwrap_or(false),
            reason: row.try_get("reason")?,
            plugin: row.try_get("plugin")?,
            lag_bytes: row.try_get("lag_bytes")?,
            active_reader: row.try_get("active_reader")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queries_of_a_sweep_answer_as_much_as_is_said() {
        for query in [
            include_str!("../queries/find_all_sessions_behind.sql"),
            include_str!("../queries/find_sessions_behind.sql"),
        ] {
            assert!(query.ends_with(&format!("limit {}\n", Store::MOST_BEHIND)), "{query}");
        }
    }
}
