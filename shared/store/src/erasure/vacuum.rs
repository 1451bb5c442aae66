//! Freeing the space of rows that erasures have deleted.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, Store};

/// A table is freed when one of these layers had something; any table without layers each time. Those with large indexes come last.
const TABLES: [(&str, &[&str]); 29] = [
    ("vacuum (skip_locked) afterthought.erasures", &[]),
    ("vacuum (skip_locked) afterthought.erased_sessions", &[]),
    ("vacuum (analyze, skip_locked) afterthought.adopted_refusals", &[]),
    ("vacuum (analyze, skip_locked) afterthought.adopted_arrivals", &[]),
    ("vacuum (analyze, skip_locked) afterthought.profiles", &["profiles"]),
    ("vacuum (analyze, skip_locked) afterthought.holds", &["holds"]),
    ("vacuum (analyze, skip_locked) afterthought.retractions", &["retractions", "sessions"]),
    ("vacuum (analyze, skip_locked) afterthought.requests", &["requests", "sessions"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_totals", &["memories"]),
    ("vacuum (analyze, skip_locked) afterthought.reviews", &["reviews", "evidence"]),
    ("vacuum (analyze, skip_locked) afterthought.webhook_deliveries", &["webhook_deliveries", "evidence"]),
    ("vacuum (analyze, skip_locked) afterthought.archive_objects", &["archive_objects"]),
    ("vacuum (analyze, skip_locked) afterthought.operations", &["operations"]),
    ("vacuum (analyze, skip_locked) afterthought.checkpoints", &["checkpoints"]),
    ("vacuum (analyze, skip_locked) afterthought.snapshots", &["snapshots", "memories"]),
    ("vacuum (analyze, skip_locked) afterthought.sessions", &["sessions"]),
    ("vacuum (analyze, skip_locked) afterthought.agent_cursors", &["cursors", "memories"]),
    ("vacuum (analyze, skip_locked) afterthought.agent_runs", &["runs"]),
    ("vacuum (analyze, skip_locked) afterthought.ledger", &["ledger", "memories"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_versions", &["memory_versions", "evidence"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_access", &["memory_access"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_marks", &["memory_marks"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_evidence", &["evidence"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_words", &["memory_words"]),
    ("vacuum (analyze, skip_locked) afterthought.memories", &["memories", "evidence"]),
    ("vacuum (analyze, skip_locked) afterthought.session_events", &["events", "memories"]),
    ("vacuum (analyze, skip_locked) afterthought.event_passages", &["event_passages"]),
    ("vacuum (analyze, skip_locked) afterthought.event_index", &["event_index"]),
    ("vacuum (analyze, skip_locked) afterthought.memory_index", &["memory_index"]),
];

impl Store {
    /// Has the space of rows that erasures deleted used again, table by table, and takes them out of the statistics, where the server
    /// lets this role do so (Postgres 17 and newer). Of tables in which erasures of these layers have left something, and no longer
    /// than `most`; whether that was time enough.
    pub async fn vacuum_erased<S: BuildHasher>(
        &self,
        layers: &HashSet<String, S>,
        most: Duration,
    ) -> Result<bool, Error> {
        let end = Instant::now() + most;
        let mut connection = self.connection_without_deadline().await?;
        // The settings of this one are not for others.
        connection.close();
        let limit = connection.prepare("select set_config('statement_timeout', $1, false)").await?;
        for (vacuum, of_layers) in TABLES {
            if !of_layers.is_empty() && !of_layers.iter().any(|layer| layers.contains(*layer)) {
                continue;
            }
            let left = end.saturating_duration_since(Instant::now()).as_millis();
            if left == 0 {
                return Ok(false);
            }
            connection.query(&limit, &[&left.min(86_400_000).to_string()]).await?;
            match connection.batch_execute(vacuum).await {
                Ok(()) => {}
                Err(error) if error.is_cancelled() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
