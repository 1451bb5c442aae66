//! Waiting until nothing is left to do.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::database::connect;
use crate::running::Running;

/// How long it may take after the last fault. What is missing then is missing.
pub const LIMIT: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(500);

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    /// Events that were not accepted yet.
    pub not_inserted: i64,
    /// Events that an agent has not thought about, summed over the agents.
    pub behind: i64,
    /// Current memories without an embedding.
    pub not_embedded: i64,
    /// Holds, which nobody asked for.
    pub holds: i64,
}

impl Remaining {
    /// Whether nothing is left.
    pub const fn is_nothing(&self) -> bool {
        self.not_inserted == 0 && self.behind == 0 && self.not_embedded == 0 && self.holds == 0
    }
}

/// Waits until every agent has thought about all `turns` and every memory is embedded, or the limit has passed; answers
/// how long it took and what was left.
pub async fn converge(
    running: &mut Running,
    turns: usize,
    mut say: impl FnMut(&Remaining),
) -> Result<(Duration, Remaining)> {
    let started = Instant::now();
    let turns = i64::try_from(turns)?;
    loop {
        running.check()?;
        let remaining = remaining(&running.endpoints.database_url, &running.agents, turns).await?;
        say(&remaining);
        if remaining.is_nothing() || started.elapsed() > LIMIT {
            return Ok((started.elapsed(), remaining));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn remaining(database_url: &str, agents: &[String], turns: i64) -> Result<Remaining> {
    let client = connect(database_url).await?;
    let row = client.query_one(include_str!("../../queries/chaos/read_state.sql"), &[&agents]).await?;
    Ok(Remaining {
        not_inserted: turns - row.try_get::<_, i64>("events")?,
        behind: row.try_get("behind")?,
        not_embedded: row.try_get("not_embedded")?,
        holds: row.try_get("holds")?,
    })
}
