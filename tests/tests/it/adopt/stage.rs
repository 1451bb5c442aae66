//! A database with tables of an application, the reader that follows them, and the ingester behind the queue.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use cdc_reader::{
    Arrivals, Ended, Error, FlushPolicy, Lifetime, Queues, Reader, Run, Source, TableFollower, WhenBusy,
};
use ingester::Ingester;
use jiff::Timestamp;
use queue::{Publisher, Routes, SqsEvent};
use serde_json::{Value, json};
use store::{Adoption, DatabaseConfig, Role, Store};
use testkit::{TestAws, TestDatabase};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;

/// Longer than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "rows are stamped by the server's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

pub(super) struct Stage {
    pub(super) owner: Client,
    pub(super) database: TestDatabase,
    pub(super) slot: String,
    pub(super) aws: TestAws,
    pub(super) queue: String,
    dead_letters: String,
    ingester: Ingester,
}

/// A reader and a follower at work.
pub(super) struct Following {
    stop: CancellationToken,
    reader: JoinHandle<Result<Ended, Error>>,
    follower: JoinHandle<()>,
}

impl Following {
    /// Ends both as `kill -9` would.
    pub(super) async fn killed(self) {
        self.follower.abort();
        self.reader.abort();
        assert!(self.follower.await.unwrap_err().is_cancelled());
        assert!(self.reader.await.unwrap_err().is_cancelled());
    }

    pub(super) async fn stopped(self) {
        self.stop.cancel();
        assert_eq!(self.reader.await.unwrap().unwrap(), Ended::Stopped);
        // The follower ends with the reader that held the slot.
        self.follower.await.unwrap();
    }
}

impl Stage {
    pub(super) async fn set() -> Self {
        let ground = Ground::lay().await;
        let slot = ground.database.create_slot().await.unwrap();
        // What is not flushed is not streamed.
        ground.owner.batch_execute("set synchronous_commit = on").await.unwrap();
        ground.tenants(&["acme"]).await;
        let queue = ground.aws.create_fifo_queue("ingest").await.unwrap();
        let dead_letters = ground.aws.create_fifo_queue("ingest-dlq").await.unwrap();
        let services = ground
            .services(&[
                // Agents are not looked at here.
                ("WAKE_UP_QUEUES", "indexer=http://127.0.0.1:9/000000000000/indexer"),
                (ingester::QUEUE, &queue),
                (ingester::DEAD_LETTERS, &dead_letters),
            ])
            .await;
        let Ground { database, aws, owner } = ground;
        let ingester = Ingester::from_services(&services).unwrap();
        Self { owner, database, slot, aws, queue, dead_letters, ingester }
    }

    pub(super) async fn run(&self, sql: &str) {
        self.owner.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    pub(super) fn store(&self, role: Role) -> Store {
        Store::new(&DatabaseConfig::parse(self.database.url()).unwrap(), role, 2).unwrap()
    }

    pub(super) async fn adopt(&self, entry: Value) -> Value {
        self.store(Role::Login).adopt_table(&entry).await.unwrap()
    }

    /// What is said of an entry that is refused.
    pub(super) async fn refused(&self, entry: Value) -> String {
        let error = self.store(Role::Login).adopt_table(&entry).await.unwrap_err();
        assert!(error.is_refusal(), "{error}");
        error.to_string()
    }

    /// The adoption of a table as operators see it.
    pub(super) async fn adoption(&self, relation: &str) -> Adoption {
        let adoptions = self.store(Role::Operator).adoptions().await.unwrap();
        adoptions.into_iter().find(|adoption| adoption.relation == relation).unwrap()
    }

    /// Follows the slot and the adopted tables.
    pub(super) fn follow(&self) -> Following {
        let config = DatabaseConfig::parse(self.database.url()).unwrap();
        let source = Source::new(&config, &self.slot, "afterthought").unwrap();
        let publisher = Publisher::new(self.aws.sqs());
        let arrivals = Arrivals::new(self.store(Role::Reader));
        let queues = Queues::new(publisher.clone(), Routes::default(), now).with_arrivals(arrivals.clone());
        let mut reader = Reader::new(source, queues, FlushPolicy::default(), now);
        let mut follower = self.follower(&arrivals);
        let stop = CancellationToken::new();
        let run = Run {
            instance: "test".into(),
            lifetime: Lifetime::Unbounded,
            when_busy: WhenBusy::Wait,
            drain: false,
            stop: stop.clone(),
            grace: Duration::from_secs(5),
        };
        let holding = reader.holding();
        let reader = tokio::spawn(async move { reader.run(&run).await });
        let follower = tokio::spawn(async move { follower.run(holding).await });
        Following { stop, reader, follower }
    }

    /// What follows the tables alone.
    pub(super) fn follower(&self, arrivals: &Arrivals) -> TableFollower {
        let (positions, rows) = (self.store(Role::Reader), self.store(Role::Adopter));
        let publisher = Publisher::new(self.aws.sqs());
        TableFollower::new(positions, rows, &publisher, self.queue.clone(), arrivals, now)
    }

    /// Takes messages from the queue to the ingester until none is left that is visible; answers how many.
    pub(super) async fn ingest(&self) -> usize {
        let mut taken = 0;
        loop {
            let messages = self.aws.drain(&self.queue).await.unwrap();
            if messages.is_empty() {
                return taken;
            }
            taken += messages.len();
            // Ten at a time, as the mapping hands them over.
            for batch in messages.chunks(10) {
                let record = |message: &aws_sdk_sqs::types::Message| {
                    let attributes: HashMap<String, String> = message
                        .attributes()
                        .into_iter()
                        .flatten()
                        .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
                        .collect();
                    json!({
                        "messageId": message.message_id(), "body": message.body(),
                        "receiptHandle": message.receipt_handle(), "attributes": attributes,
                    })
                };
                let records: Vec<Value> = batch.iter().map(record).collect();
                let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
                let response = self.ingester.handle(event).await;
                assert!(response.batch_item_failures.is_empty(), "{response:?}");
            }
        }
    }

    /// Waits, while everything in the queue is stored, until something is so.
    pub(super) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let waited = tokio::time::timeout(LIMIT, async {
            loop {
                self.ingest().await;
                if is_so().await {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(waited.await.is_ok(), "it takes too long until {what}");
    }

    /// Waits until a backfill is complete and nothing that was heard of waits.
    pub(super) async fn until_read(&self, relation: &str) {
        self.until("the table has been read", async || {
            let adoption = self.adoption(relation).await;
            adoption.backfilled_at.is_some() && adoption.waiting == 0
        })
        .await;
        self.ingest().await;
    }

    /// Waits until so many rows were inserted, read and stored.
    pub(super) async fn until_followed(&self, relation: &str, rows: i64) {
        let what = format!("{rows} rows of {relation} were followed");
        self.until(&what, async || {
            let adoption = self.adoption(relation).await;
            adoption.rows_followed + adoption.rows_refused >= rows && adoption.waiting == 0
        })
        .await;
        self.ingest().await;
    }

    /// What is in the log of a tenant, by session, in order: role and content.
    pub(super) async fn logged(&self, tenant: &str) -> BTreeMap<String, Vec<(String, String)>> {
        let rows = self
            .owner
            .query(
                "select session, role, content from afterthought.session_events where tenant = $1
                 order by session, version",
                &[&tenant],
            )
            .await
            .unwrap();
        let mut sessions: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for row in rows {
            sessions.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
        }
        sessions
    }

    /// The contents of one session of the tenant `acme`.
    pub(super) async fn contents(&self, session: &str) -> Vec<String> {
        let mut logged = self.logged("acme").await;
        logged.remove(session).unwrap_or_default().into_iter().map(|(_, content)| content).collect()
    }

    pub(super) async fn dead_letters(&self) -> usize {
        self.aws.drain(&self.dead_letters).await.unwrap().len()
    }

    pub(super) async fn count(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }
}
