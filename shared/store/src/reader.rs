use domain::{SessionId, TenantId};
use jiff::Timestamp;

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
    /// The sessions that each of `agents` is behind on. Any role; the reader's sees no content.
    pub async fn sessions_behind(&self, agents: &[&str], span: SweepSpan) -> Result<Vec<Behind>, Error> {
        let connection = self.connection().await?;
        let rows = match span {
            SweepSpan::All { until } => {
                let find = connection
                    .prepare_cached(include_str!("../queries/find_all_sessions_behind.sql"))
                    .await?;
                connection.query(&find, &[&agents, &until]).await?
            }
            SweepSpan::Recent { since, until } => {
                let find =
                    connection.prepare_cached(include_str!("../queries/find_sessions_behind.sql")).await?;
                connection.query(&find, &[&agents, &until, &since]).await?
            }
        };
        rows.iter()
            .map(|row| {
                let session: uuid::Uuid = row.try_get("session_id")?;
                let tenant: String = row.try_get("tenant")?;
                Ok(Behind {
                    agent: row.try_get("agent")?,
                    tenant: TenantId::new(tenant).map_err(|error| Error::Stored {
                        table: "sessions",
                        column: "tenant",
                        key: session.to_string(),
                        got: error.got,
                    })?,
                    session: SessionId(session),
                    version: row.try_get("version")?,
                })
            })
            .collect()
    }

    /// The state of a replication slot; `None` when there is none of this name.
    pub async fn slot_state(&self, slot: &str) -> Result<Option<SlotState>, Error> {
        let connection = self.connection().await?;
        let read = connection.prepare_cached(include_str!("../queries/read_slot.sql")).await?;
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
