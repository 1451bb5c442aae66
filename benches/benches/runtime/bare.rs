use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::SessionId;
use futures::future::{try_join, try_join_all};
use futures::{StreamExt, TryStreamExt, stream, try_join};
use jiff::Timestamp;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::{Kind, Stage};

/// Its own cursors, so that it thinks about the same events once more.
pub(crate) const AGENT: &str = "bare";

const BATCH: usize = 10;

/// The calls a wake-up cannot do without, with the runtime's own statements and nothing around them.
pub(crate) struct Bare {
    connections: Vec<Connection>,
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
}

impl Bare {
    pub(crate) async fn connect(
        database: &TestDatabase,
        aws: &TestAws,
        stage: &Stage,
        concurrency: usize,
    ) -> Result<Self> {
        let connections = try_join_all((0..concurrency).map(|_| Connection::open(database.url()))).await?;
        Ok(Self { connections, dynamodb: aws.dynamodb(), table: stage.hot_table.clone() })
    }

    /// Does for every session so many times what `kind` needs, as many at once as there are connections, and answers
    /// how long it took. As in an invocation, a batch ends with its last session.
    pub(crate) async fn pass(
        &self,
        kind: Kind,
        heads: &[(SessionId, i64)],
        repeats: usize,
    ) -> Result<Duration> {
        // The connection given back last is taken first, as in the runtime's pool.
        let free = Mutex::new(self.connections.iter().collect::<Vec<_>>());
        let free = || free.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        for _ in 0..repeats {
            for batch in heads.chunks(BATCH) {
                stream::iter(batch)
                    .map(|(session, _)| async {
                        let connection = free().pop().context("there is a connection for each")?;
                        let woken = self.wake(kind, connection, *session).await;
                        free().push(connection);
                        woken
                    })
                    .buffer_unordered(self.connections.len())
                    .try_collect::<()>()
                    .await?;
            }
        }
        Ok(start.elapsed())
    }

    async fn wake(&self, kind: Kind, connection: &Connection, session: SessionId) -> Result<()> {
        let (after, through) = connection.claim(session).await?;
        let Kind::Window(events) = kind else {
            ensure!(after == through, "a session has something new");
            return Ok(());
        };
        ensure!(through - after == i64::try_from(events)?, "a session has another window than was meant");
        let holder = Uuid::now_v7().to_string();
        self.lease(session, &holder).await?;
        connection.commit(session, after, through).await?;
        self.release(session, &holder).await
    }

    fn key(session: SessionId) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(format!("lease#{session}"))),
            ("sk".to_owned(), AttributeValue::S(AGENT.to_owned())),
        ])
    }

    async fn lease(&self, session: SessionId, holder: &str) -> Result<()> {
        self.dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Self::key(session)))
            .item("holder", AttributeValue::S(holder.to_owned()))
            .item("ends_at", AttributeValue::N("4000000000000".to_owned()))
            .item("expires_at", AttributeValue::N("4000000000".to_owned()))
            .condition_expression("attribute_not_exists(pk) or ends_at <= :now or holder = :holder")
            .expression_attribute_values(":now", AttributeValue::N("1000000000000".to_owned()))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()))
            .send()
            .await?;
        Ok(())
    }

    async fn release(&self, session: SessionId, holder: &str) -> Result<()> {
        self.dynamodb
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(session)))
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()))
            .send()
            .await?;
        Ok(())
    }
}

/// A connection with its statements prepared.
struct Connection {
    client: Client,
    name_tenant: Statement,
    read_window: Statement,
    read_standing: Statement,
    advance: Statement,
    insert_run: Statement,
}

impl Connection {
    async fn open(url: &str) -> Result<Self> {
        let mut config: tokio_postgres::Config = url.parse()?;
        config.options("-c role=afterthought_agent -c plan_cache_mode=force_custom_plan -c jit=off");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        let (name_tenant, read_window, read_standing, advance, insert_run) = try_join!(
            client.prepare("select set_config('afterthought.tenant', $1, true)"),
            client.prepare(include_str!("../../../shared/store/queries/read_window.sql")),
            client.prepare(include_str!("../../../shared/store/queries/read_standing.sql")),
            client.prepare(include_str!("../../../shared/store/queries/advance_cursor.sql")),
            client.prepare(include_str!("../../../shared/store/queries/insert_run.sql")),
        )?;
        Ok(Self { client, name_tenant, read_window, read_standing, advance, insert_run })
    }

    /// One round trip. Answers the cursor and the last version read.
    async fn claim(&self, session: SessionId) -> Result<(i64, i64)> {
        let client = &self.client;
        let waits_for: Option<&str> = None;
        let window_values: [&(dyn ToSql + Sync); 3] = [&AGENT, &session.0, &100_i64];
        let standing_values: [&(dyn ToSql + Sync); 3] = [&AGENT, &session.0, &waits_for];
        let ((), _, window, _, ()) = try_join!(
            client.batch_execute("begin"),
            client.execute(&self.name_tenant, &[&"default"]),
            client.query(&self.read_window, &window_values),
            client.query(&self.read_standing, &standing_values),
            client.batch_execute("commit"),
        )?;
        let after: i64 = window.first().map_or(0, |row| row.get("through"));
        let through: Option<i64> = window.last().and_then(|row| row.get("version"));
        Ok((after, through.unwrap_or(after)))
    }

    /// Two round trips: the second is sent when it is known that the cursor was where the window began.
    async fn commit(&self, session: SessionId, after: i64, through: i64) -> Result<()> {
        let client = &self.client;
        let advance_values: [&(dyn ToSql + Sync); 6] =
            [&session.0, &AGENT, &"default", &after, &through, &0_i64];
        let ((), _, moved) = try_join!(
            client.batch_execute("begin"),
            client.execute(&self.name_tenant, &[&"default"]),
            client.query(&self.advance, &advance_values),
        )?;
        ensure!(moved.len() == 1, "somebody else moved the cursor");
        let now = Timestamp::UNIX_EPOCH;
        let none: Option<&str> = None;
        let redrives: Option<Uuid> = None;
        try_join(
            client.execute(
                &self.insert_run,
                &[
                    &Uuid::now_v7(),
                    &"default",
                    &AGENT,
                    &session.0,
                    &after,
                    &through,
                    &"",
                    &0_i64,
                    &0_i64,
                    &0_i32,
                    &now,
                    &now,
                    &"done",
                    &none,
                    &redrives,
                ],
            ),
            client.batch_execute("commit"),
        )
        .await?;
        Ok(())
    }
}
