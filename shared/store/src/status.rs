use std::collections::BTreeMap;

use crate::{Error, Store};

/// How far an agent is, over all tenants and sessions.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AgentProgress {
    /// The agent.
    pub agent: String,
    /// Events there are.
    pub events: i64,
    /// Events it has not thought about.
    pub events_behind: i64,
    /// Sessions with such events.
    pub sessions_behind: i64,
    /// How many of them it is not to think about for now.
    pub held: i64,
    /// For how long the session that has waited longest has been as it is, in seconds; what is held does not wait.
    pub lag_seconds: Option<f64>,
}

impl Store {
    /// How far each of `agents` is. For a store that acts as its login or as the reader.
    pub async fn progress(&self, agents: &[&str]) -> Result<Vec<AgentProgress>, Error> {
        let connection = self.connection().await?;
        let read = connection.prepare(include_str!("../queries/read_progress.sql")).await?;
        let rows = connection.query(&read, &[&agents]).await?;
        rows.iter()
            .map(|row| {
                Ok(AgentProgress {
                    agent: row.try_get("agent")?,
                    events: row.try_get("events")?,
                    events_behind: row.try_get("events_behind")?,
                    sessions_behind: row.try_get("sessions_behind")?,
                    held: row.try_get("held")?,
                    lag_seconds: row.try_get("lag_seconds")?,
                })
            })
            .collect()
    }

    /// Current memories per type, over all tenants. For a store that acts as its login.
    pub async fn memory_counts(&self) -> Result<BTreeMap<String, i64>, Error> {
        let connection = self.connection().await?;
        let rows = connection
            .query(
                "select type, count(*) from afterthought.memories where valid_to is null and status = 'active' group by type",
                &[],
            )
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Runs per agent that set their window aside, which nothing has thought about again, over all tenants. For a store that acts as its login.
    pub async fn quarantined_counts(&self) -> Result<BTreeMap<String, i64>, Error> {
        let connection = self.connection().await?;
        let rows = connection
            .query(
                "select agent, count(*) from afterthought.agent_runs where outcome = 'quarantined' and redriven_by is null group by agent",
                &[],
            )
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// The tenant and user with the most events; `None` before the first. For a store that acts as its login.
    pub async fn busiest_user(&self) -> Result<Option<(String, String)>, Error> {
        let connection = self.connection().await?;
        let row = connection
            .query_opt(
                "select tenant, user_id from afterthought.sessions
                 group by tenant, user_id order by sum(head_version) desc, tenant, user_id limit 1",
                &[],
            )
            .await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }
}
