use anyhow::Result;
use testkit::TestDatabase;
use tokio_postgres::types::PgLsn;

/// How the rows of a backlog were committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One row per transaction.
    Single,
    /// A thousand rows per transaction.
    Batched,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Batched => "batched",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Single => "single-row transactions",
            Self::Batched => "1,000-row transactions",
        }
    }

    /// Rows like an application's, through its view and triggers.
    fn insert(self, rows: u32, sessions: u32) -> String {
        let columns = "insert into afterthought.messages (user_id, session, role, content)";
        let content = "'Could you move our meeting to Thursday? I promised Ada the report by then.'";
        match self {
            Self::Single => format!(
                "do $$ begin for i in 1..{rows} loop \
                 {columns} values ('user-' || i % 100, 'session-' || i % {sessions}, 'user', {content}); commit; \
                 end loop; end $$"
            ),
            Self::Batched => format!(
                "do $$ begin for i in 1..{batches} loop \
                 {columns} select 'user', 'batch-' || (i * 10 + n / 100) % {sessions}, 'user', {content} \
                 from generate_series(0, 999) n; commit; \
                 end loop; end $$",
                batches = rows / 1000
            ),
        }
    }
}

/// Rows that wait behind a slot. Every pass reads them through a copy of it.
pub(crate) struct Backlog {
    pub(crate) rows: u32,
    /// Where the backlog ends.
    pub(crate) end: u64,
    slot: String,
}

impl Backlog {
    pub(crate) async fn create(
        database: &TestDatabase,
        shape: Shape,
        rows: u32,
        sessions: u32,
    ) -> Result<Self> {
        let client = database.client().await?;
        let slot = database.create_slot().await?;
        client.batch_execute("set synchronous_commit = off").await?;
        client.batch_execute(&shape.insert(rows, sessions)).await?;
        // Committed with an ordinary flush, so that everything before it can be read.
        client
            .batch_execute("reset synchronous_commit; create table if not exists bench_end (); checkpoint")
            .await?;
        let end: PgLsn = client.query_one("select pg_current_wal_lsn()", &[]).await?.get(0);
        let rows = if shape == Shape::Batched { rows / 1000 * 1000 } else { rows };
        Ok(Self { rows, end: end.into(), slot })
    }

    /// A slot at the start of the backlog.
    pub(crate) async fn copy_slot(&self, database: &TestDatabase) -> Result<String> {
        let copy = format!("{}_c", self.slot);
        let client = database.client().await?;
        client.execute("select pg_copy_logical_replication_slot($1, $2)", &[&self.slot, &copy]).await?;
        Ok(copy)
    }

    pub(crate) async fn drop(self, database: &TestDatabase) -> Result<()> {
        drop_slot(database, &self.slot).await
    }
}

/// Drops a slot; a session that has just ended may hold it for a moment.
pub(crate) async fn drop_slot(database: &TestDatabase, slot: &str) -> Result<()> {
    let client = database.client().await?;
    let mut tries = 0;
    while let Err(error) = client.execute("select pg_drop_replication_slot($1)", &[&slot]).await {
        tries += 1;
        if tries == 100 {
            return Err(error.into());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}
